import type { ClickHouseType } from '../../schema/field.ts'
import type { Writer } from './writer.ts'

/** A column being filled. Rows that are not set hold the type's default. */
export interface Column {
  readonly type: ClickHouseType
  /** The slow way, for rare records: any value a record of this field may have. */
  set(row: number, value: unknown): void
  /** Whether the first `rows` rows hold nothing but the default: then the block goes without the column. */
  isDefault(rows: number): boolean
  write(out: Writer, rows: number): void
  /** Forgets the first `rows` rows. */
  reset(rows: number): void
}

export type NumberArray = Uint8Array | Uint16Array | Uint32Array | Float64Array

/** Compares memory with itself, one value farther on: a loop over arrays of several types would take five times as long. */
export function isFilledWith(values: NumberArray | Int32Array, value: number, count: number): boolean {
  if (count === 0) return true
  if (values[0] !== value) return false
  const width = values.BYTES_PER_ELEMENT
  const bytes = Buffer.from(values.buffer as ArrayBuffer, values.byteOffset, count * width)
  return bytes.subarray(width).equals(bytes.subarray(0, bytes.length - width))
}
