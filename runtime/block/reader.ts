import type { ClickHouseType } from '../../schema/field.ts'
import { BlockError } from './error.ts'

/** Where a column lies in a block: `start` at its name, `body` at its data. */
export interface ColumnRange {
  name: string
  type: ClickHouseType
  start: number
  body: number
  end: number
}

const maxVaruint = Number.MAX_SAFE_INTEGER

export function varuintAt(bytes: Buffer, at: number): { value: number; end: number } {
  let value = 0
  let scale = 1
  for (let position = at; position < at + 8; position++) {
    if (position >= bytes.length) throw new BlockError('truncated', position, 'the block ends within a number')
    const byte = bytes[position]
    value += (byte & 127) * scale
    if (byte < 128) return { value, end: position + 1 }
    scale *= 128
  }
  throw new BlockError('lying_length', at, `a length over ${maxVaruint}`)
}

export function uint64At(bytes: Buffer, at: number): number {
  within(bytes, at, 8)
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 4294967296
}

/** Where `length` bytes from `at` end; throws when the block is shorter. */
function within(bytes: Buffer, at: number, length: number): number {
  if (length > bytes.length - at) throw new BlockError('truncated', at, `${length} bytes expected, ${bytes.length - at} left,`)
  return at + length
}

export function skipText(bytes: Buffer, at: number): number {
  const first = bytes[at]
  if (first < 128) return within(bytes, at + 1, first)
  const { value, end } = varuintAt(bytes, at)
  return within(bytes, end, value)
}

export function textAt(bytes: Buffer, at: number): { text: string; end: number } {
  const { value, end: start } = varuintAt(bytes, at)
  const end = within(bytes, start, value)
  return { text: value < 24 ? shortText(bytes, start, end) : bytes.toString('utf8', start, end), end }
}

/** Short ASCII without the cost of a call into C++. */
function shortText(bytes: Buffer, start: number, end: number): string {
  let text = ''
  for (let i = start; i < end; i++) {
    if (bytes[i] > 127) return bytes.toString('utf8', start, end)
    text += String.fromCharCode(bytes[i])
  }
  return text
}

export function readHeader(bytes: Buffer): { columns: number; rows: number; body: number } {
  const columns = varuintAt(bytes, 0)
  const rows = varuintAt(bytes, columns.end)
  // Every column takes at least a byte a row, so more rows than bytes is a lie.
  if (columns.value > 0 && rows.value > bytes.length)
    throw new BlockError('lying_length', columns.end, `${rows.value} rows claimed in ${bytes.length} bytes`)
  if (columns.value === 0 && rows.value > 0) throw new BlockError('lying_length', 0, `${rows.value} rows without columns`)
  return { columns: columns.value, rows: rows.value, body: rows.end }
}

const fixedWidths: Partial<Record<ClickHouseType, number>> = {
  Bool: 1,
  UInt8: 1,
  UInt16: 2,
  UInt32: 4,
  UInt64: 8,
  Float64: 8,
  "DateTime64(6, 'UTC')": 8,
  IPv6: 16,
}

/** Where the data of a column ends. An empty column has none. */
export function skipColumn(bytes: Buffer, at: number, type: ClickHouseType, rows: number): number {
  if (rows === 0) return at
  const width = fixedWidths[type]
  if (width) return within(bytes, at, width * rows)
  if (type === 'String') return skipTexts(bytes, at, rows)
  if (type === 'Array(String)') return skipTexts(bytes, at + rows * 8, listsEnd(bytes, at, rows))
  if (type === 'Array(Float64)') return within(bytes, at + rows * 8, listsEnd(bytes, at, rows) * 8)
  if (type === 'Map(String, String)') return skipTexts(bytes, at + rows * 8, listsEnd(bytes, at, rows) * 2)
  return skipLabels(bytes, at, rows)
}

function skipTexts(bytes: Buffer, at: number, count: number): number {
  if (count > bytes.length - at) throw new BlockError('lying_length', at, `${count} texts claimed in ${bytes.length - at} bytes`)
  for (let i = 0; i < count; i++) at = skipText(bytes, at)
  return at
}

/** How many items the lists of all rows have together, whose ends are at `at`. */
function listsEnd(bytes: Buffer, at: number, rows: number): number {
  within(bytes, at, rows * 8)
  let last = 0
  for (let row = 0; row < rows; row++) {
    const end = uint64At(bytes, at + row * 8)
    if (end < last) throw new BlockError('lying_length', at + row * 8, `list ${row} ends at ${end} before it begins at ${last}`)
    last = end
  }
  return last
}

function skipLabels(bytes: Buffer, at: number, rows: number): number {
  const version = uint64At(bytes, at)
  const flags = uint64At(bytes, at + 8)
  const wide = flags & 0xff
  if (version !== 1 || (flags & 0xffffff00) !== 0x600 || wide > 2)
    throw new BlockError('unknown_type', at, `LowCardinality version ${version} with flags 0x${flags.toString(16)}`)
  const keysEnd = skipTexts(bytes, at + 24, uint64At(bytes, at + 16))
  const indexed = uint64At(bytes, keysEnd)
  if (indexed !== rows) throw new BlockError('lying_length', keysEnd, `${indexed} labels for ${rows} rows`)
  return within(bytes, keysEnd + 8, rows << wide)
}
