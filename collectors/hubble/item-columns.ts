import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { NumberColumn } from '../../runtime/block/number-columns.ts'
import type { Dictionaries, Dictionary } from './dictionary.ts'
import { type Interner, lineWords, notes } from '../protobuf/interner.ts'
import type { Texts } from './texts.ts'

/** Which of the notes on an item say its number in a block. */
export const inFlows = notes
export const inRequests = notes + 2
/** The notes for all blocks: the dictionary, the identity, and the numbers of the texts in the dictionary. */
const common = notes + 4
const ids = common + 2

/**
 * The items of a block under numbers of its own, from 1 in the order they came. 0 is the item that says nothing. A row takes the
 * number of its item only; the columns are made of the items' texts when the block is encoded.
 */
export class Numbering {
  readonly builder: BlockBuilder
  readonly #interner: Interner<Texts>
  readonly #words: Int32Array
  readonly #dictionaries: Dictionaries
  readonly #place: number
  readonly #width: number
  readonly #most: number
  /** The texts of each item, as the dictionary knows them. */
  readonly #ids: Int32Array
  readonly #identities: Uint32Array
  readonly #numbers = new Map<Texts, number>()
  #dictionary!: Dictionary
  #stamp = 0
  #count = 0
  /** For the column that is being written: codes by the items' numbers, and by row. */
  readonly #codes: Uint16Array
  readonly #narrow: Uint8Array
  readonly #wide: Uint16Array

  /** `place` is where the interner's notes say the number; `width` the texts of an item, `most` the items in a row. */
  constructor(builder: BlockBuilder, interner: Interner<Texts>, { dictionaries, place, width, most }: NumberingOptions) {
    this.builder = builder
    this.#interner = interner
    this.#words = interner.words
    this.#dictionaries = dictionaries
    this.#place = place
    this.#width = width
    this.#most = builder.capacity * most + 1
    this.#ids = new Int32Array(this.#most * width)
    this.#identities = new Uint32Array(this.#most)
    this.#codes = new Uint16Array(this.#most)
    this.#narrow = new Uint8Array(builder.capacity)
    this.#wide = new Uint16Array(builder.capacity)
    this.forget()
  }

  get most(): number {
    return this.#most
  }

  get count(): number {
    return this.#count
  }

  /** To be called when the builder begins another block. */
  forget(): void {
    this.#dictionary = this.#dictionaries.current
    this.#stamp = this.#interner.stamp()
    this.#numbers.clear()
    this.#count = 0
    this.#words[this.#place] = this.#stamp
    this.#words[this.#place + 1] = 0
  }

  number(handle: number): number {
    const at = handle * lineWords + this.#place
    return this.#words[at] === this.#stamp ? this.#words[at + 1] : this.#learn(handle, at)
  }

  #learn(handle: number, at: number): number {
    const entries = this.#words
    const entry = handle * lineWords
    if (entries[entry + common] !== this.#dictionary.number) this.#note(entry, this.#interner.value(handle))
    const number = ++this.#count
    this.#identities[number] = entries[entry + common + 1]
    for (let i = 0; i < this.#width; i++) this.#ids[number * this.#width + i] = entries[entry + ids + i]
    entries[at] = this.#stamp
    entries[at + 1] = number
    return number
  }

  #note(entry: number, { texts, identity }: Texts): void {
    this.#words[entry + common] = this.#dictionary.number
    this.#words[entry + common + 1] = identity
    for (let i = 0; i < this.#width; i++) this.#words[entry + ids + i] = this.#dictionary.id(texts[i])
  }

  /** For what is rare, and there is no handle to. */
  numberOf(item: Texts): number {
    const known = this.#numbers.get(item)
    if (known !== undefined) return known
    const number = ++this.#count
    this.#identities[number] = item.identity
    for (let i = 0; i < this.#width; i++) this.#ids[number * this.#width + i] = this.#dictionary.id(item.texts[i])
    this.#numbers.set(item, number)
    return number
  }

  /** Of an item that has the text at `offset` only. */
  numberOfText(text: string, offset: number): number {
    const number = ++this.#count
    this.#ids[number * this.#width + offset] = this.#dictionary.id(text)
    return number
  }

  identities(to: NumberColumn['values'], numbers: Uint16Array | Uint32Array, rows: number): void {
    const identities = this.#identities
    for (let row = 0; row < rows; row++) to[row] = identities[numbers[row]]
  }

  /** The column of the texts at `offset`, of rows that hold these numbers. */
  labels(offset: number, numbers: Uint16Array | Uint32Array, used: Uint8Array, rows: number) {
    const place = { offset, width: this.#width, count: this.#count, used }
    const keys = this.#dictionary.encode(this.#ids, place, this.#codes)
    if (keys.length === 1) return { keys, codes: this.#narrow }
    if (keys.length > 256) gatherWide(this.#wide, this.#codes, numbers, rows)
    else gatherNarrow(this.#narrow, this.#codes, numbers, rows)
    return { keys, codes: keys.length > 256 ? this.#wide : this.#narrow }
  }
}

interface NumberingOptions {
  dictionaries: Dictionaries
  place: number
  width: number
  most: number
}

/** The same twice, as each is fast for one type of array. */
function gatherWide(to: Uint16Array, codes: Uint16Array, numbers: Uint16Array | Uint32Array, rows: number): void {
  for (let row = 0; row < rows; row++) to[row] = codes[numbers[row]]
}

function gatherNarrow(to: Uint8Array, codes: Uint16Array, numbers: Uint16Array | Uint32Array, rows: number): void {
  for (let row = 0; row < rows; row++) to[row] = codes[numbers[row]]
}

function mark(used: Uint8Array, numbers: Uint16Array | Uint32Array, rows: number): void {
  for (let row = 0; row < rows; row++) used[numbers[row]] = 1
}

/** Label columns that are written together from one item a row. */
export class ItemColumns {
  /** Numbers of the rows' items; 0 where nothing was written. */
  readonly numbers: Uint16Array | Uint32Array
  readonly #numbering: Numbering
  readonly #used: Uint8Array
  readonly #from: number

  /** `from` is the first of the item's texts that is written. */
  constructor(numbering: Numbering, names: readonly string[], from = 0) {
    const { builder } = numbering
    this.#numbering = numbering
    this.#from = from
    this.numbers = numbering.most < 65536 ? new Uint16Array(builder.capacity) : new Uint32Array(builder.capacity)
    this.#used = new Uint8Array(numbering.most)
    builder.beforeEncode(() => this.#findUsed())
    for (const [i, name] of names.entries())
      builder.labels(name).writeFrom(rows => numbering.labels(from + i, this.numbers, this.#used, rows))
  }

  /** Has the identities of the items written too. */
  writeIdentities(column: NumberColumn): void {
    const { builder } = this.#numbering
    builder.beforeEncode(() => this.#numbering.identities(column.values, this.numbers, builder.rows))
  }

  forget(): void {
    this.numbers.fill(0)
  }

  set(row: number, handle: number): void {
    this.numbers[row] = this.#numbering.number(handle)
  }

  /** Several at once, joined by commas, each only once. */
  setAll(row: number, items: readonly Texts[]): void {
    if (items.length === 1) this.numbers[row] = this.#numbering.numberOf(items[0])
    else if (items.length) this.setText(row, [...new Set(items.map(item => item.texts[this.#from]))].join(','))
  }

  /** What is no item; for columns of one text. */
  setText(row: number, text: string): void {
    this.numbers[row] = this.#numbering.numberOfText(text, this.#from)
  }

  #findUsed(): void {
    const { numbers } = this
    this.#used.fill(0, 0, this.#numbering.count + 1)
    mark(this.#used, numbers, this.#numbering.builder.rows)
  }
}
