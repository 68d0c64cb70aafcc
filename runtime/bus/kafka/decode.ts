import { describe } from '../../log.ts'
import type { Delivered } from '../bus.ts'
import { crc32c } from './crc32c.ts'
import { decompress } from './decompress.ts'
import { fields, headBytes, idsHeader } from './encode.ts'

/** What part of a log holds. */
export interface Decoded {
  messages: Delivered[]
  /** The offset to go on at: past the last whole batch, also when compaction has left nothing of it. */
  next: number
}

const controlBatch = 0x20
const appendTime = 0x08
/** Of the records of a batch, decompressed. */
const maxOutputLength = 256 << 20

/**
 * The messages of whole record batches from `from` on. A batch that cannot be read comes as one message whose header `unreadable`
 * says why and whose body is what could not be read, so that it can be kept where people find it.
 */
export function decodeBatches(bytes: Buffer, from: number): Decoded {
  const decoded: Decoded = { messages: [], next: from }
  for (let at = 0; at + headBytes <= bytes.length;) {
    const end = at + 12 + bytes.readInt32BE(at + fields.length)
    if (end > bytes.length) break
    const batch = bytes.subarray(at, end)
    const base = Number(batch.readBigInt64BE(0))
    const last = base + batch.readInt32BE(fields.lastDelta)
    if (last >= from && !(batch.readInt16BE(fields.attributes) & controlBatch)) readBatch(batch, { base, last, from }, decoded.messages)
    decoded.next = Math.max(decoded.next, last + 1)
    at = end
  }
  return decoded
}

interface Range {
  base: number
  last: number
  from: number
}

function readBatch(batch: Buffer, { base, last, from }: Range, into: Delivered[]): void {
  const attributes = batch.readInt16BE(fields.attributes)
  const timeField = attributes & appendTime ? fields.maxTime : fields.firstTime
  const time = Number(batch.readBigInt64BE(timeField))
  try {
    if (batch[fields.magic] !== 2) throw new Error(`a batch of format ${batch[fields.magic]}, expected 2`)
    if (crc32c(batch, fields.attributes) !== batch.readUInt32BE(fields.crc)) throw new Error('a batch with a wrong checksum')
    const records = new RecordReader(decompress(attributes & 7, batch.subarray(headBytes), maxOutputLength))
    const read: Delivered[] = []
    for (let left = batch.readInt32BE(57); left > 0; left--) {
      const message = records.record(base, time, Boolean(attributes & appendTime))
      if (message.offset >= from) read.push(message)
    }
    into.push(...read)
  } catch (error) {
    into.push({ offset: last, time, headers: { unreadable: describe(error) }, body: batch.subarray(headBytes) })
  }
}

class RecordReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  record(base: number, batchTime: number, appended: boolean): Delivered {
    const end = this.#varint() + this.#at
    this.#at++
    const timeDelta = this.#varint()
    const offset = base + this.#varint()
    const key = this.#piece()
    const body = this.#piece()
    const headers: [string, string][] = []
    let ids: Buffer | undefined
    for (let left = this.#varint(); left > 0; left--) {
      const name = this.#piece()!.toString()
      const value = this.#piece()
      if (name === idsHeader) ids = value
      else headers.push([name, value?.toString() ?? ''])
    }
    this.#at = end
    return {
      offset,
      time: appended ? batchTime : batchTime + timeDelta,
      ...(key && { key: key.toString() }),
      headers: Object.fromEntries(headers),
      body: body ?? Buffer.alloc(0),
      // What has no key was removed by nobody.
      ...(!body && key && { tombstone: true }),
      ...(ids && { ids }),
    }
  }

  #piece(): Buffer | undefined {
    const length = this.#varint()
    if (length < 0) return undefined
    if (this.#at + length > this.#bytes.length) throw new Error('a record that ends before it should')
    return this.#bytes.subarray(this.#at, (this.#at += length))
  }

  /** Zigzag, up to what a number holds exactly. */
  #varint(): number {
    let value = 0
    let factor = 1
    for (;;) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw new Error('a record that ends before it should')
      value += (byte & 127) * factor
      if (byte < 128) return value % 2 ? -(value + 1) / 2 : value / 2
      factor *= 128
    }
  }
}
