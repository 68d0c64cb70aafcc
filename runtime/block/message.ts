import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib'
import { promisify } from 'node:util'
import { type KindName, type RecordKind, kinds } from '../../schema/record.ts'
import type { Message } from '../bus/bus.ts'
import { Block } from './block.ts'
import type { BlockBuilder } from './builder.ts'
import { BlockError } from './error.ts'

const compress = promisify(zstdCompress)
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

/** Blocks smaller than this go as they are: setting zstd up takes 60 µs, more than all else that is done with a single object. */
const leastCompressed = 4096

/** The largest block that is read, decompressed. */
export const maxBlockBytes = 64 << 20

/** Who made a block: a collector numbers its blocks of a kind, anew in each run. */
export interface Origin {
  collector: string
  run: number
  sequence: number
  /** Which agents the records came from, when that is remembered. */
  peers?: string
  /** Where agents are that sent nothing for a while. */
  silent?: string
}

/**
 * The block as a message: Native format, under zstd unless it is small, with what a reader must know before it looks inside in the headers.
 * The builder is not to be touched before it resolves.
 */
export async function blockMessage(builder: BlockBuilder, { collector, run, sequence, peers, silent }: Origin): Promise<Message> {
  const { kind, rows, minTime, maxTime } = builder
  const ids = builder.ids.slice(0, rows * 8)
  const bytes = builder.encode()
  const headers = {
    kind: kind.name,
    version: String(kind.version),
    rows: String(rows),
    min_time: String(minTime),
    max_time: String(maxTime),
    collector,
    run: String(run),
    sequence: String(sequence),
    ...(peers !== undefined && { peers }),
    ...(silent !== undefined && { silent }),
    encoding: bytes.length < leastCompressed ? 'none' : 'zstd',
    bytes: String(bytes.length),
  }
  return { headers, body: headers.encoding === 'none' ? Buffer.from(bytes) : await compress(bytes, compression), ids }
}

/** The kind a message says it is. Throws BlockError when we do not know that kind or version. */
export function kindOf(headers: Readonly<Record<string, string>>): RecordKind {
  const kind = kinds[headers.kind as KindName]
  if (!kind) throw new BlockError('wrong_schema', 0, `kind ${JSON.stringify(headers.kind)}, expected ${Object.keys(kinds).join(', ')},`)
  // While collectors are upgraded some still write the version before: its columns are there, and new ones get their defaults.
  if (![kind.version, kind.version - 1].includes(Number(headers.version)))
    throw new BlockError('wrong_schema', 0, `${kind.name} of version ${headers.version}, expected ${kind.version} or the one before,`)
  return kind
}

/** The block in a message. Throws BlockError for what is none. */
export function openBlock({ headers, body }: Pick<Message, 'headers' | 'body'>): Block {
  const kind = kindOf(headers)
  return new Block(decompress(headers, body), kind)
}

function decompress({ encoding, bytes }: Readonly<Record<string, string>>, body: Uint8Array): Uint8Array {
  // One piece when the header says the truth; the limit holds when it lies.
  const chunkSize = Math.min(maxBlockBytes, Math.max(65_536, Number(bytes) || 0))
  if (encoding === 'none') return body
  if (encoding !== 'zstd') throw new BlockError('unknown_type', 0, `encoding ${JSON.stringify(encoding)}, expected zstd or none,`)
  try {
    return zstdDecompressSync(body, { maxOutputLength: maxBlockBytes, chunkSize })
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    const what = tooLarge ? `a block over ${maxBlockBytes} bytes` : `no zstd: ${(error as Error).message}`
    throw new BlockError(tooLarge ? 'too_large' : 'truncated', 0, what)
  }
}
