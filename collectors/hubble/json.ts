import protobuf from 'protobufjs'
import { loadObserverProto } from './proto.ts'
import { UndecodableError } from '../protobuf/cursor.ts'

type Json = Readonly<Record<string, unknown>>

/** What the lines of an export can be about; the last two are not collected. */
const subjects = ['flow', 'node_status', 'lost_events', 'agent_event', 'debug_event'] as const
export type LineSubject = (typeof subjects)[number]

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const camelCase = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/**
 * One line of `hubble observe -o json`, of a file export or of grpcurl, as a GetFlowsResponse in protobuf's wire format:
 * with or without the wrapper, names in snake or camel case, enums by name or number. Throws UndecodableError.
 */
export function readLine(line: string): { subject: LineSubject; message: Uint8Array } {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch (error) {
    throw new UndecodableError(`no JSON (${(error as Error).message})`, 0)
  }
  if (!isObject(json)) throw new UndecodableError('a line that is no JSON object', 0)
  const type = loadObserverProto().lookupType('observer.GetFlowsResponse')
  const subject = subjects.find(name => isObject(json[name] ?? json[camelCase(name)]))
  const wrapped = subject ? json : { flow: json }
  if (!subject && !looksLikeFlow(json)) throw new UndecodableError('a line that is neither a flow nor another event of Hubble', 0)
  return { subject: subject ?? 'flow', message: type.encode(type.fromObject(messageOf(type, wrapped))).finish() }
}

const looksLikeFlow = (json: Json) =>
  'time' in json && ['verdict', 'source', 'destination', 'IP', 'l4', 'l7', 'Type'].some(key => key in json)

/** The object protobufjs makes a message of. Fields we do not know are left out. */
function messageOf(type: protobuf.Type, json: Json): Record<string, unknown> {
  const message: Record<string, unknown> = {}
  for (const field of type.fieldsArray) {
    const value = json[field.name] ?? json[camelCase(field.name)]
    if (value === undefined || value === null) continue
    const values = field.repeated && Array.isArray(value) ? value : [value]
    const converted = values.map(one => valueOf(field, one)).filter(one => one !== undefined)
    if (converted.length) message[field.name] = field.repeated ? converted : converted[0]
  }
  return message
}

function valueOf(field: protobuf.Field, value: unknown): unknown {
  const { resolvedType } = field.resolve()
  if (resolvedType instanceof protobuf.Enum) return enumOf(resolvedType, value)
  if (resolvedType instanceof protobuf.Type) return partOf(resolvedType, value, field.name)
  if (field.type === 'string') return String(value)
  if (field.type === 'bool') return value === true || value === 'true'
  if (field.type.endsWith('64')) return longOf(value, field.name)
  const number = Number(value)
  if (!Number.isFinite(number)) throw new UndecodableError(`${field.name}: expected a number, got ${JSON.stringify(value)}`, 0)
  return number
}

/** A name we do not know is a newer Hubble's: nothing is said then. */
const enumOf = (type: protobuf.Enum, value: unknown) => (typeof value === 'number' ? value : (type.values[String(value)] ?? undefined))

/** Messages that JSON writes in another form than as objects, and those it does not. */
function partOf(type: protobuf.Type, value: unknown, name: string): unknown {
  if (type.fullName === '.google.protobuf.Timestamp') return timestampOf(value, name)
  if (type.fullName === '.google.protobuf.Any') return undefined
  if (/^\.google\.protobuf\.\w+Value$/.test(type.fullName)) return isObject(value) ? messageOf(type, value) : { value }
  if (!isObject(value)) throw new UndecodableError(`${name}: expected an object, got ${JSON.stringify(value)?.slice(0, 80)}`, 0)
  return messageOf(type, value)
}

/** 64-bit numbers are strings, so that JavaScript keeps all their digits. */
function longOf(value: unknown, name: string): { low: number; high: number; unsigned: boolean } {
  let whole: bigint
  try {
    whole = BigInt.asUintN(64, BigInt(value as string | number))
  } catch {
    throw new UndecodableError(`${name}: expected a whole number, got ${JSON.stringify(value)}`, 0)
  }
  return { low: Number(whole & 0xffffffffn) | 0, high: Number(whole >> 32n) | 0, unsigned: true }
}

/** RFC 3339 with up to nine digits of a second. */
function timestampOf(value: unknown, name: string): { seconds: number; nanos: number } {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/i.exec(String(value))
  const milliseconds = parts ? Date.parse(parts[1] + parts[3].toUpperCase()) : NaN
  if (!Number.isFinite(milliseconds)) throw new UndecodableError(`${name}: expected a time in RFC 3339, got ${JSON.stringify(value)}`, 0)
  return { seconds: milliseconds / 1000, nanos: Number((parts![2] ?? '').padEnd(9, '0')) }
}
