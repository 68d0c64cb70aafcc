import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const chunkBytes = 1 << 18
const headBytes = 256
const newline = 10

export interface TailOptions {
  signal: AbortSignal
  /** Takes whole lines, without their ends. The next are read when it is done. */
  take: (lines: Buffer[]) => Promise<void>
  /** Told once the file is there, and with a reason when it is not. */
  onState?: (reason?: string) => void
  pollMs?: number
  maxLineBytes?: number
}

/** A file that is being read: how far, which one it is, and what was left of the last line. */
interface Reading {
  handle: FileHandle
  inode: number
  offset: number
  head: Buffer
  rest: Buffer
}

/**
 * Follows a file that somebody writes lines to and rotates, by renaming it or by copying and truncating it. Begins with what
 * rotation left beside it, and comes back to that after each rotation: whoever takes the lines must know what it has seen.
 */
export async function tail(
  path: string,
  { signal, take, onState = () => {}, pollMs = 250, maxLineBytes = 16 << 20 }: TailOptions,
): Promise<void> {
  const seen = new Set<number>()
  let reading: Reading | undefined
  try {
    while (!signal.aborted) {
      if (!reading) {
        await readRotated()
        reading =
          (await begin(path).catch((error: NodeJS.ErrnoException) => onState(`${path}: ${error.code ?? error.message}`))) ?? undefined
        if (reading) onState()
      }
      if (reading && (await readOn(reading)) === 0 && (await wasReplaced(path, reading))) {
        await readOn(reading)
        await finish(reading)
        reading = undefined
      } else await sleep(pollMs, undefined, { signal }).catch(() => {})
    }
  } finally {
    await reading?.handle.close()
  }

  /** Files a rotation made of this one, the oldest first, each once. */
  async function readRotated(): Promise<void> {
    for (const file of await rotatedOf(path)) {
      if (seen.has(file.inode) || signal.aborted) continue
      const rotated = await begin(file.path).catch(() => undefined)
      if (!rotated) continue
      await readOn(rotated)
      await finish(rotated)
    }
  }

  async function finish(done: Reading): Promise<void> {
    if (done.rest.length) await take([done.rest])
    seen.add(done.inode)
    await done.handle.close()
  }

  /** Reads to the present end. Returns how many bytes that were. */
  async function readOn(from: Reading): Promise<number> {
    const start = from.offset
    while (!signal.aborted) {
      const chunk = Buffer.allocUnsafe(chunkBytes)
      const { bytesRead } = await from.handle.read(chunk, 0, chunkBytes, from.offset)
      if (bytesRead === 0) break
      if (from.head.length < headBytes) from.head = Buffer.concat([from.head, chunk.subarray(0, bytesRead)]).subarray(0, headBytes)
      from.offset += bytesRead
      await takeLines(from, chunk.subarray(0, bytesRead))
    }
    return from.offset - start
  }

  async function takeLines(from: Reading, chunk: Buffer): Promise<void> {
    const bytes = from.rest.length ? Buffer.concat([from.rest, chunk]) : chunk
    const lines: Buffer[] = []
    let at = 0
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, at)) {
      lines.push(bytes.subarray(at, end))
      at = end + 1
    }
    from.rest = bytes.subarray(at)
    if (from.rest.length > maxLineBytes) {
      lines.push(from.rest)
      from.rest = Buffer.alloc(0)
    }
    if (lines.length) await take(lines)
  }
}

async function begin(path: string): Promise<Reading> {
  const handle = await open(path)
  const { ino } = await handle.stat()
  return { handle, inode: ino, offset: 0, head: Buffer.alloc(0), rest: Buffer.alloc(0) }
}

/** Whether the path is another file now, or the same one begun anew. */
async function wasReplaced(path: string, { handle, inode, offset, head }: Reading): Promise<boolean> {
  const now = await stat(path).catch(() => undefined)
  if (!now) return false
  if (now.ino !== inode || now.size < offset) return true
  const start = Buffer.alloc(head.length)
  const { bytesRead } = await handle.read(start, 0, head.length, 0)
  return !start.subarray(0, bytesRead).equals(head)
}

/** name-2026-11-21T10-00-00.000.log beside name.log, and name.log.1; not what is compressed. */
async function rotatedOf(path: string): Promise<{ path: string; inode: number; time: number }[]> {
  const directory = dirname(path)
  const name = basename(path)
  const extension = extname(name)
  const stem = name.slice(0, name.length - extension.length)
  const isRotated = (other: string) =>
    other !== name &&
    ((other.startsWith(`${stem}-`) && other.endsWith(extension)) || (/^\.\d+$/.test(other.slice(name.length)) && other.startsWith(name)))
  const others = (await readdir(directory).catch(() => [])).filter(isRotated)
  const found = await Promise.all(
    others.map(async other => {
      const file = join(directory, other)
      const { ino, mtimeMs } = await stat(file)
      return { path: file, inode: ino, time: mtimeMs }
    }),
  ).catch(() => [])
  return found.sort((a, b) => a.time - b.time)
}
