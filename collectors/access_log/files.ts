import { createHash } from 'node:crypto'
import { glob, realpath } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SourceContext } from '../source.ts'
import { tail } from '../tail.ts'
import type { Intake } from './intake.ts'
import type { LineContext } from './line.ts'
import { readContainerPath, unrotated } from './pod-path.ts'

const scanEveryMs = 1000
const maxPollMs = 1000
/** Files that are kept in mind of those a file was rotated to. */
const keysPerFile = 64
/** What was recalled of files nobody has found by then is forgotten. */
const forgetAfterMs = 60_000
const wildcards = /[*?[\]{}]/

export interface FilesOptions {
  paths: readonly string[]
  maxFiles: number
  maxLineBytes: number
  /** A file of which nothing is known and that nobody has written to for so long is begun at its end. */
  historyMs: number
  node: string
  cluster: string
  source: string
}

/** A file that matches: by which path, and whether that is named as it is. */
interface Found {
  path: string
  isNamed: boolean
}

/** A file that is followed, and the keys of what it was. */
interface Followed extends Found {
  real: string
  keys: string[]
}

/** Follows all files that match, those that come later too, until the signal is aborted. */
export async function followFiles(options: FilesOptions, intake: Intake, context: SourceContext): Promise<void> {
  const followed = new Map<string, Followed>()
  const missing = new Map<string, string>()
  const running = new Set<Promise<void>>()
  const started = Date.now()
  let left = 0

  const report = () => {
    const reasons = [...missing.values(), ...(left ? [`${left} files more than max_files match`] : [])]
    context.status({
      ready: reasons.length === 0,
      reason: reasons.join(', ') || undefined,
      detail: { files: followed.size - missing.size },
    })
  }

  function follow(real: string, found: Found): void {
    const file: Followed = { ...found, real, keys: [] }
    followed.set(real, file)
    const done = followFile(file, options, intake, context, reason => {
      if (reason === undefined) missing.delete(real)
      else missing.set(real, reason)
      report()
    }).finally(() => {
      followed.delete(real)
      running.delete(done)
    })
    // A failure ends the source; it is told to whoever waits below.
    done.catch(() => {})
    running.add(done)
  }

  async function scan(): Promise<void> {
    const found = await matching(options.paths)
    const wanted = [...found].filter(([real]) => !followed.has(real))
    const room = Math.max(0, options.maxFiles - followed.size)
    left = Math.max(0, wanted.length - room)
    for (const [real, file] of wanted.slice(0, room)) follow(real, file)
    if (wanted.length || !followed.size) report()
    if (Date.now() - started < forgetAfterMs) return
    const keys = new Set([...followed.values()].flatMap(file => file.keys))
    intake.positions.forget(key => keys.has(key))
  }

  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  while (!context.signal.aborted) {
    await scan()
    for (const done of running) done.catch(failed.reject)
    await Promise.race([failed.promise, sleep(scanEveryMs, undefined, { signal: context.signal }).catch(() => {})])
  }
  await Promise.all(running)
}

/** Files by their real path, each once. What a file was rotated to is read with it. */
async function matching(patterns: readonly string[]): Promise<Map<string, Found>> {
  const found = new Map<string, Found>()
  const add = async (path: string, isNamed: boolean) => found.set(await realpath(path).catch(() => path), { path, isNamed })
  for (const pattern of patterns) {
    if (!wildcards.test(pattern)) await add(pattern, true)
    else for await (const path of glob(pattern)) await add(path, false)
  }
  for (const real of found.keys()) if (unrotated(real) !== real && found.has(unrotated(real))) found.delete(real)
  return found
}

async function followFile(
  file: Followed,
  { maxLineBytes, historyMs, node, cluster, source }: FilesOptions,
  intake: Intake,
  { signal }: SourceContext,
  onState: (reason?: string) => void,
): Promise<void> {
  const { path, real, isNamed } = file
  const container = readContainerPath(real) ?? readContainerPath(path)
  const pod = container && { namespace: container.namespace, name: container.pod, node }
  const context: LineContext = { source, cluster, received: 0, ...(pod ? { pod } : {}) }
  const stream = intake.newStream(context)
  const name = unrotated(real)
  const keyOf = (head: Buffer) => {
    const key = createHash('sha256').update(name).update('\0').update(head).digest('hex').slice(0, 16)
    if (!file.keys.includes(key)) file.keys = [...file.keys.slice(1 - keysPerFile), key]
    return key
  }
  await tail(path, {
    signal,
    maxPollMs,
    maxLineBytes,
    endWhenGone: !isNamed,
    startAt: (head, size, modifiedMs) => intake.positions.startOf(keyOf(head)) ?? (modifiedMs < Date.now() - historyMs ? size : 0),
    takePiece: ({ bytes, head, offset }) => intake.take(stream, bytes, offset, keyOf(head)),
    onState,
  })
}
