import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Holds a directory for this process. The lock is the kernel's, so it ends with its process however that ends; the pid beside it is for
 * people. (A pid alone would not do: in a container the next process often has the same one.)
 */
export function lockDirectory(directory: string): Disposable {
  const lock = new DatabaseSync(path.join(directory, 'lock'), { timeout: 0 })
  const holder = path.join(directory, 'lock.pid')
  try {
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    throw new Error(`data directory ${directory} is in use by process ${pidIn(holder)}: stop it or choose another directory`, {
      cause: error,
    })
  }
  writeFileSync(holder, `${process.pid}\n`)
  return { [Symbol.dispose]: () => lock.close() }
}

function pidIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return '(unknown)'
  }
}

const shareOf = (directory: string, timeout: number) => new DatabaseSync(path.join(directory, 'share'), { timeout })

/** Says that this process works in the directory for who holds it, as long as it lives. */
export function shareDirectory(directory: string): Disposable {
  const share = shareOf(directory, 5000)
  share.exec('BEGIN; SELECT count(*) FROM sqlite_schema')
  return { [Symbol.dispose]: () => share.close() }
}

/** Resolves when nobody works in the directory any more for one who held it before and was killed. */
export async function untilUnshared(
  directory: string,
  { timeoutMs = 30_000, signal, onWait = () => {} }: { timeoutMs?: number; signal?: AbortSignal; onWait?: () => void } = {},
): Promise<void> {
  const start = Date.now()
  for (let waits = 0; !isUnshared(directory); waits++) {
    if (!waits) onWait()
    if (Date.now() - start > timeoutMs)
      throw new Error(`data directory ${directory} is still used by processes of one that was killed: end them or choose another directory`)
    await sleep(50, undefined, { signal })
  }
}

function isUnshared(directory: string): boolean {
  const share = shareOf(directory, 0)
  try {
    share.exec('BEGIN EXCLUSIVE')
    return true
  } catch {
    return false
  } finally {
    share.close()
  }
}
