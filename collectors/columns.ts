import type { AddressColumn, WideColumn } from '../runtime/block/number-columns.ts'

export const wordsOf = (column: AddressColumn) =>
  new Uint32Array(column.bytes.buffer, column.bytes.byteOffset, column.bytes.byteLength / Uint32Array.BYTES_PER_ELEMENT)

export function copyAddress(column: Uint32Array, row: number, words: Int32Array, index: number): void {
  const to = row * 4
  const from = index * 4
  column[to] = words[from]
  column[to + 1] = words[from + 1]
  column[to + 2] = words[from + 2]
  column[to + 3] = words[from + 3]
}

/** As WideColumn.setNumber, without a division by remainder. */
export function setWide(column: WideColumn, row: number, value: number): void {
  const high = Math.floor(value / 4294967296)
  column.setWords(row, value - high * 4294967296, high)
}
