import type { Labels } from '../runtime/block/block.ts'
import type { Verdict } from './judge.ts'
import { type Attribute, type Level, attributes, levelOf } from './tables/entities.ts'
import type { ObjectTable } from './tables/objects.ts'

/** An attribute of the entities of a block's rows. */
export interface Gathered {
  /** As a column. */
  labels(): Labels
  /** In those rows of a column that have the code `empty`; nothing when it has nothing for them. Keys are added to those of the column. */
  into(column: { keys: string[]; codes: Labels['codes'] }, empty: number): Labels | undefined
}

/** Makes columns of what is known of entities. Attributes that are those of many entities are looked at once for each set of them. */
export function gatherFrom({ texts, levels, attribute }: ObjectTable) {
  const stamps = { place: new Uint16Array(0), profile: new Uint16Array(0) }
  let codeOfText = new Uint16Array(0)

  /** The distinct numbers of a level among the entities, and for each row which of them. */
  function distinct(level: Level, entities: readonly number[], codes: Uint16Array): { numbers: readonly number[]; rows: Uint16Array } {
    if (level === 'own') return { numbers: entities, rows: codes }
    const numberOf = levels[level]
    const most = attribute[attributes.find(name => levelOf(name) === level)!].length
    if (stamps[level].length < most) stamps[level] = new Uint16Array(most * 2)
    const stamp = stamps[level]
    const numbers: number[] = []
    const local = new Uint16Array(entities.length)
    for (let i = 0; i < local.length; i++) {
      const number = numberOf[entities[i]]
      if (!stamp[number]) stamp[number] = numbers.push(number)
      local[i] = stamp[number] - 1
    }
    for (const number of numbers) stamp[number] = 0
    return { numbers, rows: pick(local, codes) }
  }

  /** The texts with those numbers, each once after '', and the code of each. */
  function dictionary(textNumbers: readonly number[], numbers: readonly number[]): { keys: string[]; codeOf: Uint16Array } {
    if (codeOfText.length < texts.length) codeOfText = new Uint16Array(texts.length * 2)
    const keys = ['']
    const codeOf = new Uint16Array(numbers.length)
    for (let i = 0; i < codeOf.length; i++) {
      const text = textNumbers[numbers[i]]
      if (text === 0) continue
      if (!codeOfText[text]) codeOfText[text] = keys.push(texts[text]) - 1
      codeOf[i] = codeOfText[text]
    }
    for (let i = 0; i < codeOf.length; i++) codeOfText[textNumbers[numbers[i]]] = 0
    return { keys, codeOf }
  }

  return function gather(entities: readonly number[], codes: Uint16Array): (name: Attribute) => Gathered {
    const known: Partial<Record<Level, ReturnType<typeof distinct>>> = {}
    return name => {
      const { numbers, rows } = (known[levelOf(name)] ??= distinct(levelOf(name), entities, codes))
      const textNumbers = attribute[name]
      return {
        labels() {
          const { keys, codeOf } = dictionary(textNumbers, numbers)
          return { keys, codes: narrow(codeOf, rows, keys.length) }
        },
        into({ keys, codes }, empty) {
          const first = codes.findIndex((code, row) => code === empty && textNumbers[numbers[rows[row]]] !== 0)
          if (first < 0) return undefined
          const codeOf = append(
            keys,
            numbers.map(number => texts[textNumbers[number]]),
          )
          const merged = Uint16Array.from(codes)
          for (let row = first; row < merged.length; row++) if (merged[row] === empty) merged[row] = codeOf[rows[row]]
          return { keys, codes: merged }
        },
      }
    }
  }
}

/** A column of what verdicts say, each of a closed set of values. */
export function valuesOf<N extends 'attribution' | 'reason'>(
  values: readonly Verdict[N][],
  verdicts: readonly Verdict[],
  name: N,
  codes: Uint16Array,
): Labels {
  const keys = ['', ...values]
  const codeOf = new Uint16Array(verdicts.length)
  for (let i = 0; i < codeOf.length; i++)
    codeOf[i] = i > 0 && verdicts[i] === verdicts[i - 1] ? codeOf[i - 1] : values.indexOf(verdicts[i][name]) + 1
  return { keys, codes: narrow(codeOf, codes, keys.length) }
}

/** As `pick`, in as few bytes as `values` take. */
function narrow(from: Uint16Array, codes: Uint16Array, values: number): Uint8Array | Uint16Array {
  if (values > 256) return pick(from, codes)
  const picked = new Uint8Array(codes.length)
  const [first] = from
  let same = true
  for (let i = 1; i < from.length && same; i++) same = from[i] === first
  if (same) return picked.fill(first)
  for (let row = 0; row < codes.length; row++) picked[row] = from[codes[row]]
  return picked
}

/** For each row the value of its code. */
export function pick(from: Uint16Array, codes: Uint16Array): Uint16Array {
  const picked = new Uint16Array(codes.length)
  for (let row = 0; row < codes.length; row++) picked[row] = from[codes[row]]
  return picked
}

/** The code of each text in `keys`, which grows by those that are new. */
export function append(keys: string[], texts: readonly string[]): Uint16Array {
  const known = new Map(keys.map((key, code) => [key, code]))
  const codes = new Uint16Array(texts.length)
  for (const [at, text] of texts.entries()) {
    const code = known.get(text) ?? keys.push(text) - 1
    known.set(text, code)
    codes[at] = code
  }
  return codes
}
