import type { ClickHouseType } from '../../schema/field.ts'
import { BlockError } from './error.ts'
import { readHeader, skipColumn, textAt } from './reader.ts'

/** The largest block of an answer. */
const maxBytes = 256 << 20
const firstTry = 1 << 16

/** The blocks of an answer in Native format, one after the other. Rejects with a BlockError for what is none, such as an error in its midst. */
export async function* nativeBlocks(answer: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let pieces: Uint8Array[] = []
  let bytes = 0
  let enough = firstTry
  for await (const piece of answer) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes < enough) continue
    let rest = Buffer.concat(pieces)
    for (let end = wholeBlock(rest); end; end = wholeBlock(rest)) {
      yield rest.subarray(0, end)
      rest = rest.subarray(end)
    }
    if (rest.length > maxBytes) throw new BlockError('too_large', 0, `a block over ${maxBytes} bytes`)
    pieces = [rest]
    bytes = rest.length
    // To look again at what is not whole costs as much as it is long.
    enough = bytes + Math.max(firstTry, bytes / 2)
  }
  let rest = Buffer.concat(pieces)
  while (rest.length > 0) {
    const end = blockEnd(rest)
    yield rest.subarray(0, end)
    rest = rest.subarray(end)
  }
}

/** Where the first block ends; 0 when not all of it is there yet. */
function wholeBlock(bytes: Buffer): number {
  try {
    return bytes.length > 0 ? blockEnd(bytes) : 0
  } catch (error) {
    if (error instanceof BlockError) return 0
    throw error
  }
}

function blockEnd(bytes: Buffer): number {
  const { columns, rows, body } = readHeader(bytes)
  let at = body
  for (let column = 0; column < columns; column++) {
    const type = textAt(bytes, textAt(bytes, at).end)
    at = skipColumn(bytes, type.end, type.text as ClickHouseType, rows)
  }
  return at
}
