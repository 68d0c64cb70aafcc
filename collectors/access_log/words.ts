import type { LabelColumn } from '../../runtime/block/columns.ts'
import { hashOf, same, viewOf } from '../protobuf/bytes.ts'

/** Words that are remembered, and bytes they take, at most; then all are forgotten. */
const maxWords = 1 << 15
const arenaBytes = 8 << 20
const slotCount = 1 << 17
/** What is hashed to its last byte. */
const pieceBytes = 112
/** Longer words are cut: they are labels. */
export const maxWordBytes = 1024

/** Texts that repeat, known by their bytes: what is met again need not become a text again. Word 0 is the empty one. */
export class Words {
  /** Counted up when all words are forgotten. */
  era = 0
  readonly texts: string[] = ['']
  readonly #arena = Buffer.alloc(arenaBytes)
  readonly #view = viewOf(this.#arena)
  #used = 0
  /** Hash and number of a word, in turn; number 0 is a free slot. */
  readonly #slots = new Int32Array(slotCount * 2)
  readonly #starts = new Int32Array(maxWords)
  readonly #lengths = new Int32Array(maxWords)
  #bytes: Buffer = Buffer.alloc(0)
  #from = viewOf(this.#bytes)

  /** The number of the word that lies there. Numbers are good for an era. */
  find(bytes: Buffer, start: number, to: number): number {
    const end = Math.min(to, start + maxWordBytes)
    if (end <= start) return 0
    if (bytes !== this.#bytes) this.#look(bytes)
    const hash = hashAll(this.#from, start, end)
    const length = end - start
    const mask = slotCount - 1
    let slot = hash & mask
    for (let word = this.#slots[slot * 2 + 1]; word; word = this.#slots[(slot = (slot + 1) & mask) * 2 + 1])
      if (
        this.#slots[slot * 2] === hash &&
        this.#lengths[word] === length &&
        same(this.#from, start, this.#view, this.#starts[word], length)
      )
        return word
    return this.#learn(hash, slot, start, end)
  }

  #look(bytes: Buffer): void {
    this.#bytes = bytes
    this.#from = viewOf(bytes)
  }

  #learn(hash: number, slot: number, start: number, end: number): number {
    if (this.texts.length >= maxWords || this.#used + end - start > arenaBytes) {
      this.#forget()
      slot = hash & (slotCount - 1)
    }
    const word = this.texts.push(this.#bytes.toString('utf8', start, end)) - 1
    this.#starts[word] = this.#used
    this.#lengths[word] = end - start
    this.#used += this.#bytes.copy(this.#arena, this.#used, start, end)
    this.#slots[slot * 2] = hash
    this.#slots[slot * 2 + 1] = word
    return word
  }

  #forget(): void {
    this.era++
    this.texts.length = 1
    this.#used = 0
    this.#slots.fill(0)
  }
}

/** All bytes count, also those in the middle: clients choose some of the words. */
function hashAll(view: DataView, start: number, end: number): number {
  if (end - start <= pieceBytes) return hashOf(view, start, end)
  let hash = hashOf(view, start, start + pieceBytes)
  for (let at = start + pieceBytes; at < end; at += pieceBytes)
    hash = Math.imul(hash, 0x9e3779b1) ^ hashOf(view, at, Math.min(end, at + pieceBytes))
  return hash
}

/** A column of labels whose texts are words. */
export class WordColumn {
  readonly #column: LabelColumn
  readonly #clean: (text: string) => string
  readonly #words: Words
  /** By word, what the column knows its text by, plus 1. */
  readonly #numbers = new Int32Array(maxWords)
  #eraOfWords = 0
  #eraOfColumn = 0

  /** `clean` makes of a word what is kept of it. */
  constructor(column: LabelColumn, words: Words, clean: (text: string) => string = text => text) {
    this.#clean = clean
    this.#column = column
    this.#words = words
  }

  set(row: number, word: number): void {
    if (this.#words.era !== this.#eraOfWords || this.#column.era !== this.#eraOfColumn) this.#forget()
    const number = this.#numbers[word] || (this.#numbers[word] = this.#column.number(this.#clean(this.#words.texts[word])) + 1)
    this.#column.codes[row] = this.#column.codeOfNumber(number - 1)
  }

  #forget(): void {
    this.#numbers.fill(0)
    this.#eraOfWords = this.#words.era
    this.#eraOfColumn = this.#column.era
  }
}
