import type { Fields } from '../../schema/field.ts'
import { type Expecting, UnfinishedFilter, fieldsNamed, parseFilter } from './parse.ts'
import { FilterError } from './error.ts'
import { type Token, tokens } from './token.ts'

export interface Candidate {
  text: string
  what: 'field' | 'operator' | 'value' | 'word'
  about?: string
}

export interface Completion {
  /** What the candidate replaces. */
  offset: number
  length: number
  candidates: Candidate[]
  /** The field a value of which is wanted. */
  field?: string
  /** What has been typed of it. */
  typed: string
}

/** What may stand at the position of the text. */
export function complete(text: string, position: number, fields: Fields): Completion {
  const before = text.slice(0, position)
  const { kept, typed, offset } = splitOff(before)
  const expecting = expectingAfter(kept, fields)
  const candidates = expecting ? candidatesOf(expecting, fields).filter(({ text }) => matches(text, typed)) : []
  return { offset, length: position - offset, candidates, field: expecting?.what === 'value' ? expecting.field : undefined, typed }
}

const matches = (candidate: string, typed: string) => candidate.toLowerCase().replace(/^'/, '').includes(typed.toLowerCase())

/** The text without the word being typed at its end. */
function splitOff(before: string): { kept: string; typed: string; offset: number } {
  const open = openText(before)
  if (open !== undefined) return { kept: before.slice(0, open), typed: before.slice(open + 1), offset: open }
  const last: Token | undefined = tokens(before).at(-2)
  const touches = last && last.offset + last.length === before.length && (last.type === 'word' || /[=<>!]/.test(last.text))
  return touches
    ? { kept: before.slice(0, last.offset), typed: last.text, offset: last.offset }
    : { kept: before, typed: '', offset: before.length }
}

/** Where quoted text begins that has no end. */
function openText(before: string): number | undefined {
  try {
    tokens(before)
    return undefined
  } catch (error) {
    return error instanceof FilterError ? error.position.offset : undefined
  }
}

function expectingAfter(kept: string, fields: Fields): Expecting | undefined {
  try {
    return parseFilter(kept, fields) ? { what: 'word', words: ['AND', 'OR'] } : fieldExpected(fields)
  } catch (error) {
    return error instanceof UnfinishedFilter ? error.expecting : undefined
  }
}

const fieldExpected = (fields: Fields): Expecting => ({ what: 'field', words: Object.keys(fields) })

function candidatesOf({ what, field, words }: Expecting, fields: Fields): Candidate[] {
  const about = (name: string) => fields[fieldsNamed(name, fields)[0]]?.about
  if (what === 'field') return words.map(text => ({ text, what, about: about(text) }))
  if (what !== 'value' || !field) return words.filter(word => word !== 'the end').map(text => ({ text, what }))
  const { type, values = [] } = fields[fieldsNamed(field, fields)[0]]
  return (type === 'bool' ? ['true', 'false'] : values).map(value => ({ text: quoteWord(value), what }))
}

/** A value as it is written in a filter: quoted when it would not be one word. */
export function quoteWord(value: string): string {
  return /^[^\s'"=<>!(),]+$/.test(value) ? value : `'${value.replaceAll("'", "''")}'`
}
