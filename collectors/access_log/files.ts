import { createHash } from 'node:crypto'
import { glob, realpath } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SourceContext } from '../source.ts'
import { tail } from '../tail.ts'
import type { Intake } from './intake.ts'
import type { LineContext } from './line.ts'
import { readContainerPath, unrotated } from './pod-path.ts'

const scanEveryMs = 2000
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

/** A file that matches: by which path, and whether that is named as it is. `real` is where it lies, as far as that can be told. */
interface Found {
  path: string
  real: string
  isNamed: boolean
}

/** A file that is followed, and the keys of what it was. */
interface Followed extends Found {
  keys: string[]
}

/** Follows all files that match, those that come later too, until the signal is aborted. */
export async function followFiles(options: FilesOptions, intake: Intake, context: SourceContext): Promise<void> {
  const followed = new Map<string, Followed>()
  const missing = new Map<string, string>()
  const running = new Set<Promise<void>>()
  const started = Date.now()
  /** Rejects when one of the files cannot be followed any more: that ends the source. */
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  let left = 0

  const report = () => {
    const reasons = [...missing.values(), ...(left ? [`${left} files more than max_files match`] : [])]
    context.status({
      ready: reasons.length === 0,
      reason: reasons.join(', ') || undefined,
      detail: { files: followed.size - missing.size },
    })
  }

  function follow(name: string, found: Found): void {
    const file: Followed = { ...found, keys: [] }
    followed.set(name, file)
    const done = followFile(file, options, intake, context, reason => {
      if (reason === undefined) missing.delete(name)
      else missing.set(name, reason)
      report()
    }).finally(() => {
      followed.delete(name)
      running.delete(done)
    })
    done.catch(failed.reject)
    running.add(done)
  }

  async function scan(): Promise<void> {
    const found = await matching(options.paths)
    const wanted = [...found].filter(([name]) => !followed.has(name))
    const room = Math.max(0, options.maxFiles - followed.size)
    left = Math.max(0, wanted.length - room)
    for (const [name, file] of wanted.slice(0, room)) follow(name, file)
    if (wanted.length || !followed.size) report()
    if (Date.now() - started < forgetAfterMs) return
    const keys = new Set([...followed.values()].flatMap(file => file.keys))
    intake.positions.forget(key => keys.has(key))
  }

  while (!context.signal.aborted) {
    await scan()
    await Promise.race([failed.promise, sleep(scanEveryMs, undefined, { signal: context.signal }).catch(() => {})])
  }
  await Promise.all(running)
}

/**
 * Files, each once: those that are named by their name, the others by where they lie. What a file was rotated to is read with it.
 */
async function matching(patterns: readonly string[]): Promise<Map<string, Found>> {
  const found = new Map<string, Found>()
  const realOf = (path: string) => realpath(path).catch(() => path)
  const reals = new Set<string>()
  for (const path of patterns.filter(pattern => !wildcards.test(pattern))) {
    const real = await realOf(path)
    reals.add(real)
    found.set(path, { path, real, isNamed: true })
  }
  for (const pattern of patterns.filter(pattern => wildcards.test(pattern)))
    for await (const path of glob(pattern)) {
      const real = await realOf(path)
      if (!reals.has(real)) found.set(real, { path, real, isNamed: false })
    }
  for (const name of found.keys()) if (unrotated(name) !== name && found.has(unrotated(name))) found.delete(name)
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
  const name = unrotated(isNamed ? path : real)
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
