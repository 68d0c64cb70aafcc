import { Encoder } from '../protobuf/encoder.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import { type MessageShape, type Scalar, shapes } from './shapes.ts'

const deepest = 1000
const idHexDigits: Readonly<Record<string, number>> = { traceId: 32, spanId: 16 }

/**
 * An export in OTLP/JSON as protobuf. Beyond the letter of it: names of enum values, snake_case keys, and ids in base64, as tools write
 * that dump protobuf as JSON. Unknown keys are left out. Throws UndecodableError.
 */
export function encodeJson(body: Buffer, shape: MessageShape): Buffer {
  const encoder = new Encoder()
  try {
    encodeMessage(encoder, JSON.parse(body.toString('utf8')), shape, 0)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) throw new UndecodableError(`no JSON of OTLP: ${error.message}`, 0)
    throw error
  }
  return encoder.finish()
}

function encodeMessage(encoder: Encoder, value: unknown, shape: MessageShape, depth: number): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unexpected('an object', value)
  if (depth > deepest) throw new UndecodableError(`more than ${deepest} messages within one another`, 0)
  for (const [key, member] of Object.entries(value)) {
    const field = shape.get(key)
    if (!field || member === null) continue
    if (!field.repeated) encodeField(encoder, field.number, field.type, member, depth)
    else if (!Array.isArray(member)) throw unexpected(`a list of ${key}`, member)
    else if (field.packed) encodePacked(encoder, field.number, field.type as Scalar, member)
    else for (const item of member) encodeField(encoder, field.number, field.type, item, depth)
  }
}

function encodeField(encoder: Encoder, number: number, type: string, value: unknown, depth: number): void {
  const shape = shapes.get(type)
  if (!shape) return encodeScalar(encoder, number, type as Scalar, value)
  const start = encoder.begin(number)
  encodeMessage(encoder, value, shape, depth + 1)
  encoder.end(start)
}

function encodeScalar(encoder: Encoder, number: number, type: Scalar, value: unknown): void {
  switch (type) {
    case 'string':
      return encoder.text(number, textOf(value))
    case 'bytes':
      return encoder.bytes(number, Buffer.from(textOf(value), 'base64'))
    case 'traceId':
    case 'spanId':
      return encoder.bytes(number, idOf(textOf(value), idHexDigits[type]))
    case 'bool':
      return encoder.varint(number, boolOf(value) ? 1n : 0n)
    case 'double':
      return encoder.double(number, doubleOf(value))
    case 'fixed64':
      return encoder.fixed64(number, wholeOf(value))
    case 'fixed32':
      return encoder.fixed32(number, Number(BigInt.asUintN(32, wholeOf(value))))
    case 'sint':
      return encoder.varint(number, zigzag(wholeOf(value)))
    case 'int':
      return encoder.varint(number, wholeOf(value))
    default:
      return encoder.varint(number, enumOf(value))
  }
}

function encodePacked(encoder: Encoder, number: number, type: Scalar, values: readonly unknown[]): void {
  const start = encoder.begin(number)
  for (const value of values) {
    if (type === 'double') encoder.bareDouble(doubleOf(value))
    else if (type === 'fixed64') encoder.bareFixed64(wholeOf(value))
    else encoder.bareVarint(wholeOf(value))
  }
  encoder.end(start)
}

/** Hexadecimal as OTLP/JSON has it, or base64 as other JSON of protobuf; their lengths differ. */
function idOf(text: string, digits: number): Buffer {
  if (text.length === digits || text === '') return Buffer.from(text, 'hex')
  return Buffer.from(text, 'base64')
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw unexpected('a text', value)
  return value
}

function boolOf(value: unknown): boolean {
  if (typeof value !== 'boolean') throw unexpected('true or false', value)
  return value
}

function doubleOf(value: unknown): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number' || (Number.isNaN(number) && value !== 'NaN')) throw unexpected('a number', value)
  return number
}

/** A number, or a text of one as JSON of protobuf writes those of 64 bits. */
function wholeOf(value: unknown): bigint {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value)
  throw unexpected('a whole number', value)
}

const zigzag = (value: bigint) => (value >= 0n ? value * 2n : -value * 2n - 1n)

const enumNumbers: Readonly<Record<string, bigint>> = {
  SPAN_KIND_INTERNAL: 1n,
  SPAN_KIND_SERVER: 2n,
  SPAN_KIND_CLIENT: 3n,
  SPAN_KIND_PRODUCER: 4n,
  SPAN_KIND_CONSUMER: 5n,
  STATUS_CODE_OK: 1n,
  STATUS_CODE_ERROR: 2n,
  AGGREGATION_TEMPORALITY_DELTA: 1n,
  AGGREGATION_TEMPORALITY_CUMULATIVE: 2n,
}

/** A number, or a name; names nobody knows are 0, which is unspecified. */
function enumOf(value: unknown): bigint {
  if (typeof value !== 'string' || /^\d+$/.test(value)) return wholeOf(value)
  return Object.hasOwn(enumNumbers, value) ? enumNumbers[value] : 0n
}

function unexpected(what: string, value: unknown): UndecodableError {
  const got = JSON.stringify(value) ?? String(value)
  return new UndecodableError(`expected ${what}, got ${got.length > 60 ? `${got.slice(0, 60)}…` : got}`, 0)
}
