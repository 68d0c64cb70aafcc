import { randomBytes } from 'node:crypto'
import { existsSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'

/**
 * Disk space kept aside in a file. On a full disk readers could not even store that they have read, so nothing would ever become free:
 * they give the reserve up and go on, while publishers wait until it can be had again.
 */
export interface Reserve {
  bytes: number
  /** True when the reserve is there, or could be made again. */
  held(): boolean
  giveUp(): void
}

export function openReserve(path: string, bytes: number): Reserve {
  const file = `${path}-reserve`
  const make = () => {
    const unfinished = `${file}-${process.pid}`
    try {
      // Random, for a file system that compresses would keep nothing aside for zeros.
      writeFileSync(unfinished, randomBytes(bytes))
      renameSync(unfinished, file)
    } catch {
      rmSync(unfinished, { force: true })
    }
    return existsSync(file)
  }
  return {
    bytes,
    held: () => (statSync(file, { throwIfNoEntry: false })?.size ?? -1) >= bytes || make(),
    giveUp: () => rmSync(file, { force: true }),
  }
}
