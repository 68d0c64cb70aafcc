import { type Value, failed, isTrue, missing, written } from './value.ts'
import { unsupported } from './unsupported.ts'

/** A value that is there. */
type Known = Exclude<Value, undefined | typeof failed>

interface TemplateFunction {
  /** How many arguments it may have. */
  least: number
  most?: number
  /** Which of them must be written down as a text. */
  literal?: number
  apply(values: readonly Known[]): Value
}

const ascii = /^\p{ASCII}*$/u

/** Functions that text/template has by itself. spire-controller-manager adds none: a template with another is one it refuses. */
const functions: Readonly<Record<string, TemplateFunction>> = {
  // A key that is no plain text, such as a UID, is an error in Go.
  index: { least: 2, most: 2, literal: 1, apply: ([map, key]) => (typeof map === 'object' ? (map.get(key as string) ?? '') : undefined) },
  slice: { least: 1, most: 3, apply: ([text, ...ends]) => slice(text, ends) },
  len: { least: 1, most: 1, apply: ([value]) => lengthOf(value) },
  print: { least: 1, apply: print },
  printf: { least: 1, literal: 0, apply: ([format, ...values]) => printf(format as string, values) },
  not: { least: 1, most: 1, apply: ([value]) => !isTrue(value) },
  and: { least: 1, apply: values => values.at(-1) },
  or: { least: 1, apply: values => values.at(-1) },
  eq: { least: 2, apply: ([first, ...others]) => isAny(others.map(other => equal(first, other))) },
  ne: { least: 2, most: 2, apply: ([a, b]) => negated(equal(a, b)) },
  lt: { least: 2, most: 2, apply: ([a, b]) => isLess(a, b) },
  ge: { least: 2, most: 2, apply: ([a, b]) => negated(isLess(a, b)) },
  gt: { least: 2, most: 2, apply: ([a, b]) => isLess(b, a) },
  le: { least: 2, most: 2, apply: ([a, b]) => negated(isLess(b, a)) },
}

/** Calls a function once all its arguments are known. `literals` are those that are written down as texts. Throws UnsupportedTemplate. */
export function functionOf(name: string, literals: readonly (string | undefined)[]): (values: readonly Value[]) => Value {
  if (!Object.hasOwn(functions, name)) unsupported(`the function ${name}, which spire-controller-manager does not have`)
  const { least, most = Infinity, literal, apply } = functions[name]
  const count = literals.length
  if (count < least || count > most) unsupported(`${name} with ${count} arguments`)
  if (literal !== undefined && literals[literal] === undefined) unsupported(`${name} with what is not written down as a text`)
  if (name === 'printf' && !isPlain(literals[0]!)) unsupported(`printf with any verb but %s, %v and %d`)
  return values => {
    const known: Known[] = []
    for (const value of values) {
      if (value === undefined || value === failed) return value
      known.push(value)
      // What comes after the one that decides is not looked at.
      if ((name === 'and' && !isTrue(value)) || (name === 'or' && isTrue(value))) return value
    }
    return apply(known)
  }
}

const isPlain = (format: string) => /^(?:[^%]|%[svd%])*$/.test(format)

/** The part of a text from one byte to before another. */
function slice(text: Known, ends: readonly Known[]): Value {
  if (typeof text !== 'string' || !ascii.test(text)) return undefined
  const [from = 0, to = text.length] = ends
  if (typeof from !== 'number' || typeof to !== 'number') return undefined
  return from >= 0 && from <= to && to <= text.length ? text.slice(from, to) : failed
}

function lengthOf(value: Known): Value {
  if (typeof value === 'string') return Buffer.byteLength(value)
  return typeof value === 'object' ? value.size : undefined
}

/** fmt.Sprint: a space between two of which neither is a text. */
function print(values: readonly Known[]): Value {
  let text = ''
  for (const [at, value] of values.entries()) {
    const next = plain(value)
    if (next === undefined) return undefined
    if (at && typeof value !== 'string' && typeof values[at - 1] !== 'string') text += ' '
    text += next
  }
  return text
}

/** fmt.Sprintf, where there is a fitting value for each verb and none besides. */
function printf(format: string, values: readonly Known[]): Value {
  const rest = [...values]
  let fits = true
  const text = format.replace(/%([svd%])/g, (_, verb: string) => {
    if (verb === '%') return '%'
    const value = rest.shift()
    const isFitting = verb === 'd' ? typeof value === 'number' : typeof value === 'string' || (verb === 'v' && typeof value !== 'object')
    const next = isFitting && value !== undefined ? plain(value) : undefined
    fits &&= next !== undefined
    return next ?? ''
  })
  return fits && !rest.length ? text : undefined
}

const plain = (value: Known) => (value === missing ? undefined : (written(value) as string | undefined))

/** Whether two are the same; of different types they cannot be compared, unless one is none. */
function equal(a: Known, b: Known): Value {
  if (typeof a === 'object' || typeof b === 'object') return undefined
  if (a === missing || b === missing) return a === b
  return typeof a === typeof b ? a === b : failed
}

/** The first that is not false, whatever it is. */
function isAny(equals: readonly Value[]): Value {
  const at = equals.findIndex(value => value !== false)
  return at < 0 ? false : equals[at]
}

function isLess(a: Known, b: Known): Value {
  if (typeof a === 'object' || typeof b === 'object' || a === missing || b === missing) return undefined
  return typeof a === typeof b && typeof a !== 'boolean' ? a < b : failed
}

const negated = (value: Value) => (typeof value === 'boolean' ? !value : value)
