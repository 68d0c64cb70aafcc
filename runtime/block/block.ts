import { type ClickHouseType, type Field, type FieldType, clickhouseTypes } from '../../schema/field.ts'
import { type RecordKind, collectedFields } from '../../schema/record.ts'
import { addressBytes, readAddress } from './address.ts'
import type { Column } from './column.ts'
import { BlockError } from './error.ts'
import { type ColumnRange, readHeader, skipColumn, textAt, uint64At } from './reader.ts'
import { Writer } from './writer.ts'

const knownTypes = new Set<string>(Object.values(clickhouseTypes))
const maxColumns = 1024
const numberArrays = { Bool: Uint8Array, UInt8: Uint8Array, UInt16: Uint16Array, UInt32: Uint32Array, Float64: Float64Array } as const

const none: ReadonlySet<string> = new Set()

/** A column of labels: `keys[codes[row]]` is the text of a row. */
export interface Labels {
  keys: readonly string[]
  codes: Uint8Array | Uint16Array | Uint32Array
}

/** The number of a row among pairs of words, as `words` gives them. */
export const wideAt = (words: Uint32Array, row: number) => words[row * 2] + words[row * 2 + 1] * 4294967296

/**
 * A block as it came, in Native format. Columns are found at once and decoded when asked for. Where the kind of its records is known, a
 * column that is absent is read as its defaults.
 */
export class Block {
  readonly bytes: Buffer
  readonly rows: number
  readonly #columns = new Map<string, ColumnRange>()
  readonly #kind: RecordKind | undefined

  /** Throws BlockError for what is no block. Allocates nothing in proportion to a length the bytes merely claim. */
  constructor(source: Uint8Array, kind?: RecordKind) {
    this.#kind = kind
    const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
    this.bytes = bytes
    const { columns, rows, body } = readHeader(bytes)
    this.rows = rows
    if (columns > maxColumns) throw new BlockError('too_large', 0, `${columns} columns, at most ${maxColumns} expected,`)
    let at = body
    for (let i = 0; i < columns; i++) {
      const start = at
      const name = textAt(bytes, at)
      const type = textAt(bytes, name.end)
      if (!knownTypes.has(type.text)) throw new BlockError('unknown_type', name.end, `type ${JSON.stringify(type.text.slice(0, 80))}`)
      at = skipColumn(bytes, type.end, type.text as ClickHouseType, rows)
      this.#columns.set(name.text, { name: name.text, type: type.text as ClickHouseType, start, body: type.end, end: at })
    }
    if (at !== bytes.length) throw new BlockError('lying_length', at, `${bytes.length - at} bytes follow the last column`)
  }

  get columns(): Iterable<ColumnRange> {
    return this.#columns.values()
  }

  has(name: string): boolean {
    return this.#columns.has(name)
  }

  #column(name: string, ...types: ClickHouseType[]): ColumnRange {
    const column = this.#columns.get(name)
    if (!column) throw new BlockError('wrong_schema', 0, `no column ${name}`)
    if (!types.includes(column.type))
      throw new BlockError('wrong_schema', column.start, `column ${name} is ${column.type}, expected ${types.join(' or ')},`)
    return column
  }

  /** The field of a column that is absent, as it holds nothing but the default. */
  #absent(name: string, ...types: FieldType[]): Field | undefined {
    const field = this.has(name) ? undefined : this.#kind?.fields[name]
    return field && types.includes(field.type) ? field : undefined
  }

  /** Bool and UInt8 as they lie in the block; UInt16, UInt32 and Float64 copied to where they are aligned. */
  numbers(name: string): Uint8Array | Uint16Array | Uint32Array | Float64Array {
    const absent = this.#absent(name, 'bool', 'uint8', 'uint16', 'uint32', 'float64')
    if (absent) return new numberArrays[clickhouseTypes[absent.type] as 'UInt8'](this.rows).fill(absent.default ?? 0)
    const { type, body, end } = this.#column(name, 'Bool', 'UInt8', 'UInt16', 'UInt32', 'Float64')
    const bytes = this.bytes.subarray(body, end)
    if (type === 'Bool' || type === 'UInt8') return bytes
    return new numberArrays[type as 'UInt16'](aligned(bytes))
  }

  /** UInt64 and times as pairs of 32-bit words, low first. */
  words(name: string): Uint32Array {
    if (this.#absent(name, 'uint64', 'time')) return new Uint32Array(this.rows * 2)
    const { body, end } = this.#column(name, 'UInt64', "DateTime64(6, 'UTC')")
    return new Uint32Array(aligned(this.bytes.subarray(body, end)))
  }

  /** 16 bytes a row. */
  addresses(name: string): Uint8Array {
    if (this.#absent(name, 'address')) return new Uint8Array(this.rows * addressBytes)
    const { body, end } = this.#column(name, 'IPv6')
    return this.bytes.subarray(body, end)
  }

  /** The same as four 32-bit words a row, to hash and compare. With `scratch`, in there, as far as it is large enough. */
  addressWords(name: string, scratch?: Int32Array): Int32Array {
    const bytes = this.addresses(name)
    if (!scratch || scratch.byteLength < bytes.length) return new Int32Array(aligned(bytes))
    new Uint8Array(scratch.buffer, scratch.byteOffset, bytes.length).set(bytes)
    return scratch.subarray(0, bytes.length / 4)
  }

  labels(name: string): Labels {
    const absent = this.#absent(name, 'label')
    if (absent) return defaultLabels(absent, this.rows)
    const { body } = this.#column(name, 'LowCardinality(String)')
    if (this.rows === 0) return { keys: [''], codes: new Uint8Array(0) }
    const wide = uint64At(this.bytes, body + 8) & 3
    const count = uint64At(this.bytes, body + 16)
    const keys: string[] = []
    let at = body + 24
    for (let i = 0; i < count; i++) {
      const key = textAt(this.bytes, at)
      keys.push(key.text)
      at = key.end
    }
    const indexes = this.bytes.subarray(at + 8, at + 8 + (this.rows << wide))
    const codes = wide === 0 ? indexes : new [Uint16Array, Uint32Array][wide - 1](aligned(indexes))
    const largest = maximum(codes)
    if (largest >= count) throw new BlockError('lying_length', at, `label ${largest} of ${count} in column ${name}`)
    return { keys, codes }
  }

  texts(name: string): string[] {
    if (this.#absent(name, 'text')) return Array.from({ length: this.rows }, () => '')
    let at = this.#column(name, 'String').body
    return Array.from({ length: this.rows }, () => {
      const text = textAt(this.bytes, at)
      at = text.end
      return text.text
    })
  }

  textLists(name: string): string[][] {
    if (this.#absent(name, 'texts')) return Array.from({ length: this.rows }, () => [])
    const { body } = this.#column(name, 'Array(String)')
    const next = this.#textsFrom(body + this.rows * 8)
    return this.#lengthsAt(body).map(length => Array.from({ length }, next))
  }

  numberLists(name: string): number[][] {
    if (this.#absent(name, 'numbers')) return Array.from({ length: this.rows }, () => [])
    const { body } = this.#column(name, 'Array(Float64)')
    let at = body + this.rows * 8 - 8
    return this.#lengthsAt(body).map(length => Array.from({ length }, () => this.bytes.readDoubleLE((at += 8))))
  }

  attributes(name: string): Record<string, string>[] {
    if (this.#absent(name, 'attributes')) return Array.from({ length: this.rows }, () => ({}))
    const { body } = this.#column(name, 'Map(String, String)')
    const lengths = this.#lengthsAt(body)
    const next = this.#textsFrom(body + this.rows * 8)
    const keys = lengths.map(length => Array.from({ length }, next))
    return keys.map(each => Object.fromEntries(each.map(key => [key, next()])))
  }

  /** How long the list of each row is; the ends are at `body`. */
  #lengthsAt(body: number): number[] {
    const endOf = (row: number) => (row < 0 ? 0 : uint64At(this.bytes, body + row * 8))
    return Array.from({ length: this.rows }, (_, row) => endOf(row) - endOf(row - 1))
  }

  /** The texts from there on, one after the other. */
  #textsFrom(start: number): () => string {
    let at = start
    return () => {
      const { text, end } = textAt(this.bytes, at)
      at = end
      return text
    }
  }

  /** Values of a column as a record has them, for the rare times objects are wanted. */
  values(name: string): unknown[] {
    const type = this.#columns.get(name)?.type ?? clickhouseTypes[this.#kind?.fields[name]?.type ?? 'text']
    if (type === 'LowCardinality(String)') {
      const { keys, codes } = this.labels(name)
      return Array.from(codes, code => keys[code])
    }
    if (type === 'UInt64' || type === "DateTime64(6, 'UTC')") {
      const words = this.words(name)
      return Array.from({ length: this.rows }, (_, row) => wideAt(words, row))
    }
    if (type === 'IPv6') {
      const bytes = this.addresses(name)
      return Array.from({ length: this.rows }, (_, row) => readAddress(bytes, row * addressBytes))
    }
    if (type === 'String') return this.texts(name)
    if (type === 'Array(String)') return this.textLists(name)
    if (type === 'Array(Float64)') return this.numberLists(name)
    if (type === 'Map(String, String)') return this.attributes(name)
    const numbers = Array.from(this.numbers(name))
    return type === 'Bool' ? numbers.map(Boolean) : numbers
  }

  /** The records as objects; with all fields a collector writes where the kind is known. */
  records(): Record<string, unknown>[] {
    const collected = this.#kind ? collectedFields(this.#kind).map(([name]) => name) : []
    const columns = [...new Set([...collected, ...this.#columns.keys()])].map(name => [name, this.values(name)] as const)
    return Array.from({ length: this.rows }, (_, row) => Object.fromEntries(columns.map(([name, values]) => [name, values[row]])))
  }

  /** The block with some columns replaced, others appended and some left out. What stays is copied and not looked into. */
  with(
    columns: ReadonlyMap<string, Pick<Column, 'type' | 'write'>>,
    out = new Writer(this.bytes.length + (1 << 16)),
    leftOut: ReadonlySet<string> = none,
  ): Buffer {
    const kept = [...this.#columns.values()].filter(({ name }) => !leftOut.has(name))
    const added = [...columns].filter(([name]) => !this.#columns.has(name))
    out.varuint(kept.length + added.length)
    out.varuint(this.rows)
    for (const { name, start, end } of kept) {
      const replacement = columns.get(name)
      if (replacement) writeColumn(out, name, replacement, this.rows)
      else out.raw(this.bytes.subarray(start, end))
    }
    for (const [name, column] of added) writeColumn(out, name, column, this.rows)
    return out.bytes()
  }
}

function writeColumn(out: Writer, name: string, column: Pick<Column, 'type' | 'write'>, rows: number): void {
  out.text(name)
  out.text(column.type)
  column.write(out, rows)
}

function maximum(codes: Uint8Array | Uint16Array | Uint32Array): number {
  let largest = 0
  for (let row = 0; row < codes.length; row++) if (codes[row] > largest) largest = codes[row]
  return largest
}

function defaultLabels({ values }: Field, rows: number): Labels {
  const text = values?.[0] ?? ''
  return text === '' ? { keys: [''], codes: new Uint8Array(rows) } : { keys: ['', text], codes: new Uint8Array(rows).fill(1) }
}

/** A copy of the bytes that begins at a multiple of 8. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.byteLength)
  new Uint8Array(copy).set(bytes)
  return copy
}
