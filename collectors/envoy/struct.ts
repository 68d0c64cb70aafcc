import { Cursor, UndecodableError, bytesType } from '../protobuf/cursor.ts'

/** A value of google.protobuf.Struct; numbers and booleans as text. */
export type Value = string | Struct | readonly Value[]
export type Struct = ReadonlyMap<string, Value>

const maxDepth = 8
const maxValues = 4096
const maxTextBytes = 4096

/** Reads a google.protobuf.Struct. Beyond 4096 values or a depth of 8 it is passed over. Throws UndecodableError. */
export function readStruct(bytes: Buffer, start: number, end: number): Struct {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  return structOf(cursor, end, { values: maxValues }, 0)
}

/** A text in it, '' when there is none. */
export function textOf(struct: Struct | undefined, ...names: readonly string[]): string {
  for (const name of names) {
    const value = struct?.get(name)
    if (typeof value === 'string' && value !== '') return value
  }
  return ''
}

export function structIn(struct: Struct | undefined, name: string): Struct | undefined {
  const value = struct?.get(name)
  return value instanceof Map ? value : undefined
}

interface Budget {
  values: number
}

function structOf(cursor: Cursor, end: number, budget: Budget, depth: number): Struct {
  const struct = new Map<string, Value>()
  readPairs(cursor, end, (key, valueStart, valueEnd) => {
    if (budget.values-- <= 0) return
    const value = valueStart < 0 ? '' : valueAt(cursor, valueStart, valueEnd, budget, depth)
    if (value !== undefined) struct.set(key, value)
  })
  return struct
}

type TakePair = (key: string, valueStart: number, valueEnd: number) => void

/** The entries of a map that is field 1 of the message that ends there; `take` may move the cursor. */
export function readPairs(cursor: Cursor, end: number, take: TakePair): void {
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag !== 10) {
      cursor.skip(tag)
      continue
    }
    cursor.span()
    const after = cursor.at
    readPair(cursor, cursor.start, after, take)
    cursor.at = after
  }
  cursor.close(end)
}

/** The key and the place of the value of an entry of a map; a value that is not there is at -1. */
export function readPair(cursor: Cursor, start: number, end: number, take: TakePair): void {
  let key = ''
  let valueStart = -1
  let valueEnd = -1
  cursor.at = start
  while (cursor.at < end) {
    const tag = cursor.tag()
    if ((tag & 7) !== bytesType) {
      cursor.skip(tag)
      continue
    }
    cursor.span()
    if (tag === 10) key = shortText(cursor, cursor.start, cursor.end)
    else if (tag === 18) [valueStart, valueEnd] = [cursor.start, cursor.end]
  }
  cursor.close(end)
  take(key, valueStart, valueEnd)
}

const shortText = (cursor: Cursor, start: number, end: number) => cursor.text(start, Math.min(end, start + maxTextBytes))

function valueAt(cursor: Cursor, start: number, end: number, budget: Budget, depth: number): Value | undefined {
  if (depth >= maxDepth) return undefined
  let value: Value | undefined
  cursor.at = start
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 17) {
      if (cursor.at + 8 > end) throw new UndecodableError('the message ends within a number', end)
      value = String(cursor.bytes.readDoubleLE(cursor.at))
      cursor.at += 8
    } else if (tag === 32) value = cursor.varint() ? 'true' : 'false'
    else if (tag === 26 || tag === 42 || tag === 50) {
      cursor.span()
      const after = cursor.at
      if (tag === 26) value = shortText(cursor, cursor.start, after)
      else {
        cursor.at = cursor.start
        value = tag === 42 ? structOf(cursor, after, budget, depth + 1) : listOf(cursor, after, budget, depth + 1)
      }
      cursor.at = after
    } else cursor.skip(tag)
  }
  cursor.close(end)
  return value
}

function listOf(cursor: Cursor, end: number, budget: Budget, depth: number): readonly Value[] {
  const list: Value[] = []
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag !== 10) {
      cursor.skip(tag)
      continue
    }
    cursor.span()
    const after = cursor.at
    if (budget.values-- > 0) {
      const value = valueAt(cursor, cursor.start, after, budget, depth)
      if (value !== undefined) list.push(value)
    }
    cursor.at = after
  }
  cursor.close(end)
  return list
}
