import { type ClickHouseType, clickhouseTypes } from '../../schema/field.ts'
import { type RecordKind, collectedFields } from '../../schema/record.ts'
import { BlockError } from './error.ts'
import { readHeader, skipColumn, skipText, textAt, uint64At } from './reader.ts'
import { Writer } from './writer.ts'

interface Wanted {
  name: string
  type: ClickHouseType
  /** Name and type as they begin the column. */
  head: Buffer
  read: boolean
}

/** Types of columns that records which travel alone have; a block with others is read the other way. */
const readers: Partial<Record<ClickHouseType, (bytes: Buffer, at: number) => unknown>> = {
  Bool: (bytes, at) => bytes[at] === 1,
  "DateTime64(6, 'UTC')": (bytes, at) => uint64At(bytes, at),
  String: (bytes, at) => textAt(bytes, at).text,
  'LowCardinality(String)': labelAt,
  'Array(String)': textsAt,
}

/**
 * Reads blocks of a single record, such as objects, ten times as fast as a `Block` does: columns come in the order of the fields, and those of `names`
 * alone are looked into. What holds its default is absent, but for closed sets of values. Undefined for a block that is not of this form.
 */
export function singleReader(kind: RecordKind, names: readonly string[]) {
  const columns = collectedFields(kind).map(([name, field]): Wanted => {
    const type = clickhouseTypes[field.type]
    const out = new Writer(128)
    out.text(name)
    out.text(type)
    return { name, type, head: Buffer.from(out.bytes()), read: names.includes(name) && readers[type] !== undefined }
  })
  /** Of the fields whose default is another than nothing. */
  const defaults = Object.fromEntries(names.flatMap(name => (kind.fields[name]?.values?.[0] ? [[name, kind.fields[name].values[0]]] : [])))

  return function read(source: Uint8Array): Record<string, unknown> | undefined {
    const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength)
    const { columns: count, rows, body } = readHeader(bytes)
    if (rows !== 1) return undefined
    const record: Record<string, unknown> = { ...defaults }
    let at = body
    let next = 0
    for (let column = 0; column < count; column++) {
      while (next < columns.length && !beginsWith(bytes, at, columns[next].head)) next++
      if (next === columns.length) return undefined
      const { name, type, head, read } = columns[next++]
      at += head.length
      const end = skipColumn(bytes, at, type, 1)
      if (read) record[name] = readers[type]!(bytes, at)
      at = end
    }
    return at === bytes.length ? record : undefined
  }
}

function beginsWith(bytes: Buffer, at: number, head: Buffer): boolean {
  for (let i = 0; i < head.length; i++) if (bytes[at + i] !== head[i]) return false
  return true
}

/** The text that the only index points to. */
function labelAt(bytes: Buffer, at: number): string {
  let key = at + 24
  const keys = uint64At(bytes, at + 16)
  const firstKey = key
  for (let i = 0; i < keys; i++) key = skipText(bytes, key)
  const wide = bytes[at + 8] & 3
  const index = bytes.readUIntLE(key + 8, 1 << wide)
  if (index >= keys) throw new BlockError('lying_length', key, `label ${index} of ${keys}`)
  let found = firstKey
  for (let i = 0; i < index; i++) found = skipText(bytes, found)
  return textAt(bytes, found).text
}

function textsAt(bytes: Buffer, at: number): string[] {
  const texts: string[] = []
  let next = at + 8
  for (let left = uint64At(bytes, at); left > 0; left--) {
    const { text, end } = textAt(bytes, next)
    texts.push(text)
    next = end
  }
  return texts
}
