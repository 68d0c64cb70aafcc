import { type WrittenText, wordsOfText } from '../../runtime/block/attributes-column.ts'
import { noNumber, numberOf } from './keys.ts'

/** The key of an attribute. */
export interface Key {
  text: string
  written: WrittenText
  /** Its number in `keys.ts`. */
  number: number
  /** Its bytes, as words and what is left of them. */
  words: Int32Array
  length: number
}

const slotBits = 11
const longest = 1024
const mostKnown = 1 << 14

export const noKey: Key = { text: '', written: wordsOfText(''), number: noNumber, words: new Int32Array(0), length: 0 }

/** Keys by their bytes: they are few, and come again and again. */
export class KeyTable {
  readonly #slots: Key[] = Array.from({ length: 1 << slotBits }, () => noKey)
  readonly #known = new Map<string, Key>()

  /** `view` is over the same bytes. */
  find(bytes: Buffer, view: DataView, start: number, end: number): Key {
    const length = end - start
    if (length < 4) return this.#learn(bytes, start, end)
    const head = view.getInt32(start, true)
    const tail = view.getInt32(end - 4, true)
    const middle = view.getInt32(start + ((length - 4) >> 1), true)
    const hash = Math.imul(head ^ length, 0x9e3779b1) + Math.imul(tail, 0x85ebca77) + Math.imul(middle, 0xc2b2ae3d)
    const slot = (hash ^ (hash >>> 15)) >>> (32 - slotBits)
    const key = this.#slots[slot]
    if (key.length === length && isSame(key.words, view, start, tail)) return key
    return (this.#slots[slot] = this.#learn(bytes, start, end))
  }

  #learn(bytes: Buffer, start: number, end: number): Key {
    const text = bytes.toString('utf8', start, Math.min(end, start + longest))
    const known = this.#known.get(text)
    if (known && known.length === end - start) return known
    if (this.#known.size >= mostKnown) this.#known.clear()
    const key = keyOf(text, bytes.subarray(start, end))
    if (end - start <= longest) this.#known.set(text, key)
    return key
  }
}

/** The words, and the last four bytes, which may overlap the last word. */
function isSame(words: Int32Array, view: DataView, start: number, tail: number): boolean {
  const last = words.length - 1
  if (words[last] !== tail) return false
  for (let i = 0; i < last; i++) if (words[i] !== view.getInt32(start + 4 * i, true)) return false
  return true
}

function keyOf(text: string, bytes: Buffer): Key {
  const length = bytes.length
  const words = new Int32Array((length >> 2) + 1)
  for (let i = 0; i < length >> 2; i++) words[i] = bytes.readInt32LE(4 * i)
  if (length >= 4) words[length >> 2] = bytes.readInt32LE(length - 4)
  return { text, written: wordsOfText(text), number: numberOf(text), words, length }
}
