import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, type Logger } from '../../log.ts'

/**
 * Says which of the processes that share a bus are alive: each touches a file of its own. A file and not a row, for a row would wake
 * every process, and write to the disk, twice a second when nothing happens.
 */
export interface Presence {
  /** A new name for an owner that is alive as long as this process is. */
  newOwner(): string
  alive(owner: string): boolean
  [Symbol.dispose](): void
}

export interface PresenceOptions {
  path: string
  log: Logger
  /** Called together with each touch. */
  beat: () => void
  beatMs?: number
  /** Without a touch for this long, a process counts as dead. */
  expiryMs?: number
}

export function openPresence({ path, log, beat, beatMs = 400, expiryMs = 1_600 }: PresenceOptions): Presence {
  const id = randomUUID()
  const fileOf = (process: string) => `${path}-consumer-${process}`
  let owners = 0
  const touch = () => {
    const now = new Date()
    try {
      utimesSync(fileOf(id), now, now)
    } catch {
      writeFileSync(fileOf(id), '')
    }
  }
  const attempt = () => {
    try {
      touch()
      beat()
    } catch (error) {
      log.warn({ error: describe(error) }, 'cannot say that this consumer is alive')
    }
  }
  removeStale(path, expiryMs)
  touch()
  const timer = setInterval(attempt, beatMs).unref()
  return {
    newOwner: () => `${id}/${++owners}`,
    alive(owner) {
      const stats = statSync(fileOf(owner.split('/')[0]), { throwIfNoEntry: false })
      return stats !== undefined && Date.now() - stats.mtimeMs < expiryMs
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      rmSync(fileOf(id), { force: true })
    },
  }
}

/** Files of processes that were killed. One that lives after all makes its file again. */
function removeStale(path: string, expiryMs: number) {
  for (const name of readdirSync(dirname(path)))
    if (name.startsWith(`${basename(path)}-consumer-`)) {
      const file = join(dirname(path), name)
      const stats = statSync(file, { throwIfNoEntry: false })
      if (stats && Date.now() - stats.mtimeMs > expiryMs) rmSync(file, { force: true })
    }
}
