import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { CompressionError } from '../../compression/error.ts'
import { uncompressLz4 } from '../../compression/lz4.ts'
import { uncompressSnappy } from '../../compression/snappy.ts'

/** What snappy-java's stream begins with; behind it are two versions of four bytes. */
const streamMagic = Buffer.from('\x82SNAPPY\0', 'latin1')
const streamHead = 16

/** The records of a batch, by the number of its codec (Kafka's CompressionType); no more than `maxBytes`. Throws what says why not. */
export function decompress(codec: number, records: Buffer, maxBytes: number): Buffer {
  switch (codec) {
    case 0:
      return records
    case 1:
      return gunzipSync(records, { maxOutputLength: maxBytes })
    case 2:
      return snappy(records, maxBytes)
    case 3:
      return uncompressLz4(records, maxBytes)
    case 4:
      return zstdDecompressSync(records, { maxOutputLength: maxBytes })
    default:
      throw new Error(`a batch compressed with codec ${codec}, expected none, gzip, snappy, lz4 or zstd`)
  }
}

/** Java's clients and brokers write a stream of blocks, each behind its length; others write one block. */
function snappy(bytes: Buffer, maxBytes: number): Buffer {
  if (!bytes.subarray(0, streamMagic.length).equals(streamMagic)) return uncompressSnappy(bytes, maxBytes)
  const blocks: Buffer[] = []
  let left = maxBytes
  for (let at = streamHead; at < bytes.length;) {
    const end = at + 4 + (at + 4 <= bytes.length ? bytes.readUInt32BE(at) : 0)
    if (end > bytes.length || end === at + 4) throw new CompressionError('broken', 'no Snappy: a block that breaks off')
    const block = uncompressSnappy(bytes.subarray(at + 4, end), left)
    left -= block.length
    blocks.push(block)
    at = end
  }
  return Buffer.concat(blocks)
}
