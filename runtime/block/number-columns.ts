import type { ClickHouseType } from '../../schema/field.ts'
import { addressBytes, readAddress, writeAddress } from './address.ts'
import { type Column, type NumberArray, isFilledWith } from './column.ts'
import type { Writer } from './writer.ts'

/** Bool, UInt8, UInt16, UInt32 and Float64: write into `values`. */
export class NumberColumn implements Column {
  readonly type: ClickHouseType
  readonly values: NumberArray
  readonly #default: number

  constructor(type: ClickHouseType, values: NumberArray, defaultValue = 0) {
    this.type = type
    this.values = values
    this.#default = defaultValue
    values.fill(defaultValue)
  }

  set(row: number, value: unknown): void {
    this.values[row] = Number(value)
  }

  isDefault(rows: number): boolean {
    return isFilledWith(this.values, this.#default, rows)
  }

  write(out: Writer, rows: number): void {
    out.raw(this.values.subarray(0, rows))
  }

  reset(rows: number): void {
    this.values.fill(this.#default, 0, rows)
  }
}

/** UInt64 and DateTime64(6), as pairs of 32-bit words so that no BigInt is made. */
export class WideColumn implements Column {
  readonly type: ClickHouseType
  readonly #words: Uint32Array
  #isEmpty = true

  constructor(type: ClickHouseType, capacity: number) {
    this.type = type
    this.#words = new Uint32Array(capacity * 2)
  }

  /** A whole number from 0 to 2^53. */
  setNumber(row: number, value: number): void {
    // Division is much faster than the remainder of what is no 32-bit number.
    const high = Math.floor(value / 4294967296)
    this.setWords(row, value - high * 4294967296, high)
  }

  setWords(row: number, low: number, high: number): void {
    this.#words[row * 2] = low
    this.#words[row * 2 + 1] = high
    this.#isEmpty = false
  }

  set(row: number, value: unknown): void {
    this.setNumber(row, Math.max(0, Number(value)))
  }

  getNumber(row: number): number {
    return this.#words[row * 2] + this.#words[row * 2 + 1] * 4294967296
  }

  isDefault(): boolean {
    return this.#isEmpty
  }

  write(out: Writer, rows: number): void {
    if (this.#isEmpty) out.zeros(rows * 8)
    else out.raw(this.#words.subarray(0, rows * 2))
  }

  reset(rows: number): void {
    if (!this.#isEmpty) this.#words.fill(0, 0, rows * 2)
    this.#isEmpty = true
  }
}

/** IPv6, 16 bytes a row in `bytes`. */
export class AddressColumn implements Column {
  readonly type: ClickHouseType = 'IPv6'
  readonly bytes: Uint8Array

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity * addressBytes)
  }

  set(row: number, value: unknown): void {
    writeAddress(this.bytes, row * addressBytes, String(value))
  }

  get(row: number): string {
    return readAddress(this.bytes, row * addressBytes)
  }

  isDefault(rows: number): boolean {
    return isFilledWith(new Int32Array(this.bytes.buffer), 0, rows * 4)
  }

  write(out: Writer, rows: number): void {
    out.raw(this.bytes.subarray(0, rows * addressBytes))
  }

  reset(rows: number): void {
    this.bytes.fill(0, 0, rows * addressBytes)
  }
}
