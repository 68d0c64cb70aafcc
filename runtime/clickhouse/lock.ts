import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'

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
