import { Cursor } from '../protobuf/cursor.ts'
import { eachMessage } from './groups.ts'
import type { Limits } from './options.ts'

type Plain = string | number | boolean | null | Plain[] | { [key: string]: Plain }

const nothing = Object.freeze({ text: '', isCut: false })

/**
 * An AnyValue as text: texts as they are, numbers in decimal, bytes in base64, lists and maps as JSON. `isCut` when it was longer or
 * deeper than the limits.
 */
export function anyText(bytes: Buffer, start: number, end: number, limits: Limits): { text: string; isCut: boolean } {
  const reading = { limits, isCut: false, left: limits.value_bytes }
  const value = plainOf(bytes, start, end, reading, 0)
  if (value === undefined) return nothing
  const text = typeof value === 'string' ? value : value === null || typeof value === 'object' ? JSON.stringify(value) : String(value)
  const cut = cutText(text, limits.value_bytes)
  return { text: cut, isCut: reading.isCut || cut !== text }
}

/** The text in no more than so many bytes of UTF-8. */
export function cutText(text: string, mostBytes: number): string {
  if (text.length * 3 <= mostBytes || Buffer.byteLength(text) <= mostBytes) return text
  return cutBytes(Buffer.from(text), 0, Infinity, mostBytes)
}

/** The text in bytes that are longer than wanted: cut between two characters, with … at its end. */
export function cutBytes(bytes: Buffer, start: number, end: number, mostBytes: number): string {
  let to = Math.min(end, start + Math.max(0, mostBytes - 3))
  while (to > start && (bytes[to] & 0xc0) === 0x80) to--
  return bytes.toString('utf8', start, to) + '…'
}

interface Reading {
  limits: Limits
  isCut: boolean
  /** Bytes of text that may still be made. */
  left: number
}

/** Undefined for a value that has none. */
function plainOf(bytes: Buffer, start: number, end: number, reading: Reading, depth: number): Plain | undefined {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  let value: Plain | undefined
  while (cursor.at < end) {
    const tag = cursor.tag()
    switch (tag) {
      case 0x0a:
        cursor.span()
        value = textOf(bytes, cursor.start, cursor.end, reading)
        break
      case 0x10:
        value = (cursor.varint() | cursor.high) !== 0
        break
      case 0x18:
        value = signedText(cursor.varint(), cursor.high)
        break
      case 0x21:
        cursor.skip(tag)
        value = doubleOf(bytes.readDoubleLE(cursor.at - 8))
        break
      case 0x2a:
      case 0x32:
        cursor.span()
        value = deeper(bytes, cursor.start, cursor.end, reading, depth, tag === 0x2a)
        break
      case 0x3a:
        cursor.span()
        value = bytesOf(bytes, cursor.start, cursor.end, reading)
        break
      default:
        cursor.skip(tag)
    }
  }
  cursor.close(end)
  return value
}

function textOf(bytes: Buffer, start: number, end: number, reading: Reading): string {
  const isLonger = end - start > reading.left
  const text = isLonger ? cutBytes(bytes, start, end, reading.left) : bytes.toString('utf8', start, end)
  reading.isCut ||= isLonger
  reading.left = Math.max(0, reading.left - (end - start))
  return text
}

function bytesOf(bytes: Buffer, start: number, end: number, reading: Reading): string {
  const most = Math.floor(reading.left / 4) * 3
  reading.isCut ||= end - start > most
  const text = bytes.toString('base64', start, Math.min(end, start + most))
  reading.left -= text.length
  return text
}

/** ArrayValue{values 1}, KeyValueList{values 1: KeyValue}. */
function deeper(bytes: Buffer, start: number, end: number, reading: Reading, depth: number, isList: boolean): Plain {
  const list: Plain[] = []
  const map: Record<string, Plain> = {}
  if (depth >= reading.limits.depth) {
    reading.isCut = true
    return null
  }
  eachMessage(bytes, start, end, (field, at, to) => {
    if (field !== 1) return
    // What is left is told by the limit of the value: a list of a million nothings is one of none.
    if (reading.left <= 0) return void (reading.isCut = true)
    reading.left -= 2
    if (isList) list.push(plainOf(bytes, at, to, reading, depth + 1) ?? null)
    else addPair(map, bytes, at, to, reading, depth)
  })
  return isList ? list : map
}

function addPair(map: Record<string, Plain>, bytes: Buffer, start: number, end: number, reading: Reading, depth: number): void {
  let key = ''
  let value: Plain | undefined
  eachMessage(bytes, start, end, (field, at, to) => {
    if (field === 1) key = textOf(bytes, at, to, reading)
    else if (field === 2) value = plainOf(bytes, at, to, reading, depth + 1)
  })
  Object.defineProperty(map, key, { value: value ?? null, enumerable: true, writable: true, configurable: true })
}

/** A 64-bit number in two's complement: as a number where that is exact, else as text. */
export function signedText(low: number, high: number): number | string {
  const value = (high | 0) * 4294967296 + low
  return Number.isSafeInteger(value) ? value : String((BigInt(high | 0) << 32n) | BigInt(low))
}

/** JSON has no other numbers. */
const doubleOf = (value: number): number | string => (Number.isFinite(value) ? value : String(value))
