import { UndecodableError } from '../protobuf/cursor.ts'
import { uint16, uint32 } from './wire.ts'

/** Length of a field that says its own in each record (RFC 7011 §7). */
export const variable = 65535

export interface Field {
  /** Private enterprise number, 0 for IANA's. */
  enterprise: number
  id: number
  length: number
}

/** What the records of a set look like, as an exporter declared it. */
export interface Template {
  id: number
  fields: Field[]
  /** How many of the first fields say what the others are about; undefined for a template of flows. */
  scopes?: number
}

/** Cisco's scope types of NetFlow v9 (RFC 3954 §6.1), as the elements that say the same: system, interface, line card, cache, template. */
const scopeElements = [0, 144, 10, 141, 0, 145]

/** Reads the templates of a set one by one: what is read ends at `at`. A template without fields is a withdrawal. */
export class TemplateReader {
  at = 0
  #bytes: Uint8Array = new Uint8Array(0)
  #end = 0
  readonly #maxFields: number

  constructor(maxFields: number) {
    this.#maxFields = maxFields
  }

  open(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes
    this.at = start
    this.#end = end
  }

  /** Whether there is another one: what is shorter than its head, or begins with zeros, is padding. */
  get more(): boolean {
    return this.at + 4 <= this.#end && uint16(this.#bytes, this.at) !== 0
  }

  #take16(): number {
    if (this.at + 2 > this.#end) throw new UndecodableError('a template ends within a field', this.at)
    this.at += 2
    return uint16(this.#bytes, this.at - 2)
  }

  /** NetFlow v9, RFC 3954 §5.2. */
  netflow(): Template {
    const id = this.#take16()
    return { id, fields: this.#netflowFields(this.#take16()) }
  }

  /** NetFlow v9, RFC 3954 §6.1: lengths are in bytes. */
  netflowOptions(): Template {
    const id = this.#take16()
    const scopes = this.#take16() >>> 2
    const options = this.#take16() >>> 2
    const fields = this.#netflowFields(scopes + options)
    for (const field of fields.slice(0, scopes)) field.id = scopeElements[field.id] ?? 0
    return { id, fields, scopes }
  }

  #netflowFields(count: number): Field[] {
    this.#check(count)
    return Array.from({ length: count }, () => ({ enterprise: 0, id: this.#take16(), length: this.#take16() }))
  }

  /** IPFIX, RFC 7011 §3.4.1. */
  ipfix(): Template {
    const id = this.#take16()
    return { id, fields: this.#ipfixFields(this.#take16()) }
  }

  /** IPFIX, RFC 7011 §3.4.2. */
  ipfixOptions(): Template {
    const id = this.#take16()
    const count = this.#take16()
    if (count === 0) return { id, fields: [], scopes: 0 }
    const scopes = this.#take16()
    if (scopes > count) throw new UndecodableError('more scopes than fields', this.at)
    return { id, fields: this.#ipfixFields(count), scopes }
  }

  #ipfixFields(count: number): Field[] {
    this.#check(count)
    return Array.from({ length: count }, () => this.#ipfixField())
  }

  #ipfixField(): Field {
    const id = this.#take16()
    const length = this.#take16()
    if (id < 0x8000) return { enterprise: 0, id, length }
    if (this.at + 4 > this.#end) throw new UndecodableError('a template ends within an enterprise number', this.at)
    this.at += 4
    return { enterprise: uint32(this.#bytes, this.at - 4), id: id & 0x7fff, length }
  }

  #check(count: number): void {
    if (count * 4 > this.#end - this.at) throw new UndecodableError('a template has more fields than bytes', this.at)
    if (count > this.#maxFields) throw new TooManyFields(`a template has ${count} fields, more than ${this.#maxFields}`)
  }
}

/** A template that is larger than what is kept. */
export class TooManyFields extends Error {
  override name = 'TooManyFields'
}

export function isSameTemplate(one: Template, other: Template): boolean {
  if (one.scopes !== other.scopes || one.fields.length !== other.fields.length) return false
  return one.fields.every((field, index) => {
    const { enterprise, id, length } = other.fields[index]
    return field.enterprise === enterprise && field.id === id && field.length === length
  })
}
