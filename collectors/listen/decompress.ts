import { promisify } from 'node:util'
import zlib from 'node:zlib'

/** A body that is larger than is taken, or compressed in a way we do not read. */
export class BodyError extends Error {
  override name = 'BodyError'
  readonly kind: 'too_large' | 'unknown_encoding' | 'broken'

  constructor(kind: BodyError['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

type Decompressor = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

const decompressors: Readonly<Record<string, Decompressor>> = {
  gzip: promisify(zlib.gunzip) as Decompressor,
  deflate: promisify(zlib.inflate) as Decompressor,
  zstd: promisify(zlib.zstdDecompress) as Decompressor,
}

/** The encodings `decompress` knows, besides none. */
export const encodings = Object.keys(decompressors)

/** A body as it was before it was compressed; allocates no more than `maxBytes` for it. Throws BodyError. */
export async function decompress(body: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> {
  if (!encoding || encoding === 'identity') return body
  const decompressor = Object.hasOwn(decompressors, encoding) ? decompressors[encoding] : undefined
  if (!decompressor)
    throw new BodyError('unknown_encoding', `encoding ${JSON.stringify(encoding)}, expected ${encodings.join(', ')} or none`)
  try {
    return await decompressor(body, { maxOutputLength: maxBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw new BodyError('too_large', tooLarge(maxBytes))
    throw new BodyError('broken', `the body is no ${encoding}`, { cause: error })
  }
}

export const tooLarge = (maxBytes: number) => `a message of more than ${maxBytes} bytes`
