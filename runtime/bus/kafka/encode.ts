import type { Message } from '../bus.ts'
import { crc32c } from './crc32c.ts'

/** The header of a record that holds the ids of a message. */
export const idsHeader = 'weir-ids'

/** Who sends a batch, and where it stands in what was sent: the broker knows a repeat by it. */
export interface Sequence {
  producerId: bigint
  epoch: number
  first: number
}

/** A message as it stands in a batch, its headers written out. */
export interface Entry {
  key: Buffer | undefined
  headers: Buffer
  /** Nothing for a tombstone. */
  body: Uint8Array | undefined
  /** Bytes in a batch, at most. */
  size: number
  message: Message
}

/** Offset of the record batch's fields; the checksum covers all from `attributes` on. */
export const fields = { length: 8, magic: 16, crc: 17, attributes: 21, lastDelta: 23, firstTime: 27, maxTime: 35 } as const
export const headBytes = 61
const largestVarints = 24

export function entryOf(message: Message): Entry {
  const { key, headers, body, ids } = message
  const pairs: [string, string | Uint8Array][] = Object.entries(headers)
  if (ids) pairs.push([idsHeader, ids])
  const written = writeHeaders(pairs)
  const keyBytes = key === undefined ? undefined : Buffer.from(key)
  const size = (keyBytes?.length ?? 0) + written.length + body.length + largestVarints
  return { key: keyBytes, headers: written, body: message.tombstone ? undefined : body, size, message }
}

function writeHeaders(pairs: readonly [string, string | Uint8Array][]): Buffer {
  const values = pairs.map(([name, value]) => [Buffer.from(name), typeof value === 'string' ? Buffer.from(value) : value] as const)
  const out = Buffer.allocUnsafe(5 + values.reduce((sum, [name, value]) => sum + name.length + value.length + 10, 0))
  let at = writeVarint(out, 0, pairs.length)
  for (const [name, value] of values) {
    at = writeVarint(out, at, name.length)
    out.set(name, at)
    at = writeVarint(out, at + name.length, value.length)
    out.set(value, at)
    at += value.length
  }
  return out.subarray(0, at)
}

/** A record batch of format 2, not compressed: bodies are. */
export function encodeBatch(entries: readonly Entry[], { producerId, epoch, first }: Sequence, time: number): Buffer {
  const out = Buffer.allocUnsafe(headBytes + entries.reduce((sum, { size }) => sum + size, 0))
  out.fill(0, 0, headBytes)
  let at = headBytes
  for (const [delta, entry] of entries.entries()) at = writeRecord(out, at, entry, delta)
  out.writeInt32BE(at - fields.magic + 4, fields.length)
  out[fields.magic] = 2
  out.writeInt32BE(entries.length - 1, fields.lastDelta)
  out.writeBigInt64BE(BigInt(time), fields.firstTime)
  out.writeBigInt64BE(BigInt(time), fields.maxTime)
  out.writeBigInt64BE(producerId, 43)
  out.writeInt16BE(epoch, 51)
  out.writeInt32BE(first, 53)
  out.writeInt32BE(entries.length, 57)
  out.writeUInt32BE(crc32c(out, fields.attributes, at), fields.crc)
  return out.subarray(0, at)
}

function writeRecord(out: Buffer, start: number, { key, headers, body }: Entry, delta: number): number {
  const keyLength = key ? key.length : -1
  const bodyLength = body ? body.length : -1
  const fixed = 2 + varintSize(delta) + varintSize(keyLength) + varintSize(bodyLength)
  let at = writeVarint(out, start, fixed + (key?.length ?? 0) + (body?.length ?? 0) + headers.length)
  // No attributes, and the time of the batch.
  out[at++] = 0
  out[at++] = 0
  at = writeVarint(out, at, delta)
  at = writeVarint(out, at, keyLength)
  if (key) out.set(key, at)
  at = writeVarint(out, at + (key?.length ?? 0), bodyLength)
  if (body) out.set(body, at)
  at += body?.length ?? 0
  out.set(headers, at)
  return at + headers.length
}

const zigzag = (value: number) => ((value << 1) ^ (value >> 31)) >>> 0

function varintSize(value: number): number {
  let size = 1
  for (let rest = zigzag(value); rest > 127; rest >>>= 7) size++
  return size
}

function writeVarint(out: Buffer, start: number, value: number): number {
  let at = start
  let rest = zigzag(value)
  for (; rest > 127; rest >>>= 7) out[at++] = (rest & 127) | 128
  out[at++] = rest
  return at
}
