import { type FileHandle, open, readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const chunkBytes = 1 << 18
const headBytes = 256
const newline = 10

/** Whole lines as they lie in a file. */
export interface Piece {
  /** With the ends of the lines; only what a file ends with, or what is longer than a line may be, has none. */
  bytes: Buffer
  /** How the file begins: its first line, or as much of it as is looked at. What is copied or renamed begins the same. */
  head: Buffer
  /** Where in the file the bytes begin. */
  offset: number
}

export interface TailOptions {
  signal: AbortSignal
  /** Takes whole lines, without their ends. The next are read when it is done. */
  take?: (lines: Buffer[]) => Promise<void>
  /** The same with what tells where they were, for those who go on there later. */
  takePiece?: (piece: Piece) => Promise<void>
  /** From where on a file is read, by how it begins and how long it is; from its beginning when absent. */
  startAt?: (head: Buffer, size: number, modifiedMs: number) => number
  /** Ends when the file is gone and what was there has been read. */
  endWhenGone?: boolean
  /** Told once the file is there, and with a reason when it is not. */
  onState?: (reason?: string) => void
  pollMs?: number
  /** A file that nothing is written to is looked at less and less often, down to this. */
  maxPollMs?: number
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
  {
    signal,
    take,
    takePiece = takingLines(take),
    startAt,
    endWhenGone = false,
    onState = () => {},
    pollMs = 250,
    maxPollMs = pollMs,
    maxLineBytes = 16 << 20,
  }: TailOptions,
): Promise<void> {
  const seen = new Set<number>()
  let reading: Reading | undefined
  let waitMs = pollMs
  try {
    while (!signal.aborted) {
      if (!reading) {
        await readRotated()
        reading =
          (await begin(path, startAt).catch((error: NodeJS.ErrnoException) => onState(`${path}: ${error.code ?? error.message}`))) ??
          undefined
        if (reading) onState()
      }
      const read = reading ? await readOn(reading) : 0
      const fate = reading && read === 0 ? await fateOf(path, reading) : 'same'
      if (reading && (fate === 'replaced' || fate === 'begun anew' || (fate === 'gone' && endWhenGone))) {
        await readOn(reading)
        // Of a file that was copied the copy has the end of the last line, and is read from where that begins.
        if (startAt && fate === 'begun anew') reading.rest = Buffer.alloc(0)
        await finish(reading)
        await reading.handle.close()
        reading = undefined
        if (fate === 'gone') return
      } else if (!reading && endWhenGone) return
      else {
        waitMs = read > 0 ? pollMs : Math.min(maxPollMs, waitMs * 2)
        await sleep(waitMs, undefined, { signal }).catch(() => {})
      }
    }
  } finally {
    await reading?.handle.close()
  }

  /** Files a rotation made of this one, the oldest first, each once. */
  async function readRotated(): Promise<void> {
    for (const file of await rotatedOf(path)) {
      if (seen.has(file.inode) || signal.aborted) continue
      const rotated = await begin(file.path, startAt).catch(() => undefined)
      if (!rotated) continue
      try {
        await readOn(rotated)
        await finish(rotated)
      } finally {
        await rotated.handle.close()
      }
    }
  }

  async function finish(done: Reading): Promise<void> {
    if (done.rest.length) await give(done, done.rest, done.offset - done.rest.length)
    seen.add(done.inode)
  }

  function give({ head }: Reading, bytes: Buffer, offset: number): Promise<void> {
    return takePiece({ bytes, head: firstLine(head), offset })
  }

  /** Reads to the present end. Returns how many bytes that were. */
  async function readOn(from: Reading): Promise<number> {
    const start = from.offset
    while (!signal.aborted) {
      const { size } = await from.handle.stat()
      if (size <= from.offset) break
      const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, size - from.offset))
      const { bytesRead } = await from.handle.read(chunk, 0, chunk.length, from.offset)
      if (bytesRead === 0) break
      // What was read is of this file only if that has not been begun anew before: then it goes by other bytes.
      const head = await headOf(from.handle)
      if (!head.subarray(0, from.head.length).equals(from.head)) break
      from.head = head
      from.offset += bytesRead
      await takeLines(from, chunk.subarray(0, bytesRead))
    }
    return from.offset - start
  }

  async function takeLines(from: Reading, chunk: Buffer): Promise<void> {
    const bytes = from.rest.length ? Buffer.concat([from.rest, chunk]) : chunk
    const start = from.offset - bytes.length
    const whole = bytes.lastIndexOf(newline) + 1
    from.rest = bytes.subarray(whole)
    if (whole) await give(from, bytes.subarray(0, whole), start)
    if (from.rest.length <= maxLineBytes) return
    const tooLong = from.rest
    from.rest = Buffer.alloc(0)
    await give(from, tooLong, start + whole)
  }
}

/** Splits pieces into lines. */
function takingLines(take: TailOptions['take']): (piece: Piece) => Promise<void> {
  return async ({ bytes }) => {
    const lines: Buffer[] = []
    let at = 0
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, at)) {
      lines.push(bytes.subarray(at, end))
      at = end + 1
    }
    if (at < bytes.length) lines.push(bytes.subarray(at))
    await take?.(lines)
  }
}

const firstLine = (head: Buffer) => {
  const end = head.indexOf(newline)
  return end < 0 ? head : head.subarray(0, end)
}

async function headOf(handle: FileHandle): Promise<Buffer> {
  const head = Buffer.alloc(headBytes)
  const { bytesRead } = await handle.read(head, 0, headBytes, 0)
  return head.subarray(0, bytesRead)
}

/** What has no whole line yet is read from its beginning, whatever it will begin with. */
async function begin(path: string, startAt: TailOptions['startAt']): Promise<Reading> {
  const handle = await open(path)
  try {
    const { ino, size, mtimeMs } = await handle.stat()
    const head = await headOf(handle)
    const isKnowable = startAt && (head.length === headBytes || head.includes(newline))
    return {
      handle,
      inode: ino,
      offset: isKnowable ? Math.min(size, startAt(firstLine(head), size, mtimeMs)) : 0,
      head,
      rest: Buffer.alloc(0),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Whether the path is another file now, or the same one begun anew, or none. */
async function fateOf(path: string, { handle, inode, offset, head }: Reading): Promise<'same' | 'replaced' | 'begun anew' | 'gone'> {
  const now = await stat(path).catch(() => undefined)
  if (!now) return 'gone'
  if (now.ino !== inode) return 'replaced'
  if (now.size < offset) return 'begun anew'
  return (await headOf(handle)).subarray(0, head.length).equals(head) ? 'same' : 'begun anew'
}

/** name-2026-11-21T10-00-00.000.log beside name.log, name.log.1 and name.log.20261121-100000; not what is compressed. */
async function rotatedOf(path: string): Promise<{ path: string; inode: number; time: number }[]> {
  const real = await realpath(path).catch(() => path)
  const directory = dirname(real)
  const name = basename(real)
  const extension = extname(name)
  const stem = name.slice(0, name.length - extension.length)
  const isRotated = (other: string) =>
    other !== name &&
    ((other.startsWith(`${stem}-`) && other.endsWith(extension)) ||
      (/^\.\d[\d-]*$/.test(other.slice(name.length)) && other.startsWith(name)))
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
