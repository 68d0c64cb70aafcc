import ipaddr from 'ipaddr.js'
import type { Field, FieldType } from '../../schema/field.ts'
import { addressBytes, writeAddress } from '../../runtime/block/address.ts'
import { readTime, timeForms } from '../time.ts'
import type { AddressRange, Value } from './ast.ts'
import { FilterError } from './error.ts'
import { nearest } from './nearest.ts'
import type { Token } from './token.ts'

const largest: Partial<Record<FieldType, bigint>> = {
  uint8: 0xffn,
  uint16: 0xffffn,
  uint32: 0xffffffffn,
  uint64: 0xffffffffffffffffn,
}

/** The value a token stands for in a condition on the field. */
export function readValue(name: string, field: Field, token: Token, now: number): Value {
  const { type } = field
  if (type === 'bool') return readBool(name, token)
  if (type === 'time') return readTime(token.text, now) ?? refuse(name, token, [timeForms])
  if (type === 'address') return readRange(token.text) ?? refuse(name, token, ['an address or a network such as 10.0.0.0/8'])
  if (type === 'float64') return readFloat(name, token)
  if (largest[type] !== undefined) return readInteger(name, token, largest[type])
  if (field.values && !field.values.includes(token.text)) refuse(name, token, field.values)
  return token.text
}

function refuse(name: string, token: Token, expected: readonly string[]): never {
  const near = expected.length > 1 && nearest(token.text, expected)
  const hint = near ? `; did you mean ${near}?` : ''
  throw new FilterError(`${name} is never ${JSON.stringify(token.text)}${hint}`, token, expected)
}

function readBool(name: string, token: Token): boolean {
  const text = token.text.toLowerCase()
  return text === 'true' || (text === 'false' ? false : refuse(name, token, ['true', 'false']))
}

function readInteger(name: string, token: Token, max: bigint): number | bigint {
  if (!/^\d{1,20}$/.test(token.text) || BigInt(token.text) > max) refuse(name, token, [`a whole number from 0 to ${max}`])
  const number = Number(token.text)
  return Number.isSafeInteger(number) ? number : BigInt(token.text)
}

function readFloat(name: string, token: Token): number {
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(token.text) ? Number(token.text) : refuse(name, token, ['a number'])
}

/** What `10.0.0.0/8` or a single address covers. IPv4 is in IPv6 form; the empty text is the absent address. */
export function readRange(text: string): AddressRange | undefined {
  const [address, length] = text.split('/')
  if (!address.includes(':') && address !== '' && !ipaddr.IPv4.isValidFourPartDecimal(address)) return undefined
  const bytes = new Uint8Array(addressBytes)
  if (!writeAddress(bytes, 0, address) || (length !== undefined && !/^\d{1,3}$/.test(length))) return undefined
  const bits = length === undefined ? 128 : Number(length) + (isFourParts(address) ? 96 : 0)
  if (bits > 128 || (length !== undefined && address === '')) return undefined
  const first = bytes.map((byte, i) => byte & mask(bits, i))
  const last = bytes.map((byte, i) => byte | (~mask(bits, i) & 0xff))
  return { first: Buffer.from(first).toString('hex'), last: Buffer.from(last).toString('hex') }
}

const isFourParts = (address: string) => ipaddr.IPv4.isValid(address)

/** Which bits of byte `i` the first `bits` bits of an address are. */
function mask(bits: number, i: number): number {
  const kept = Math.min(8, Math.max(0, bits - i * 8))
  return (0xff << (8 - kept)) & 0xff
}
