import type { AttributesColumn } from '../../runtime/block/attributes-column.ts'
import { viewOf } from '../protobuf/bytes.ts'
import { Cursor } from '../protobuf/cursor.ts'
import { anyText, cutBytes, signedText } from './any-value.ts'
import { eventText, linkText } from './events.ts'
import { Facts } from './facts.ts'
import { type Key, KeyTable, noKey } from './key-table.ts'
import { noNumber } from './keys.ts'
import type { Limits } from './options.ts'

const traceIdBytes = 16
const spanIdBytes = 8
/** Tags of an AnyValue's values that are no text. */
const otherValues = new Set([0x10, 0x18, 0x21, 0x2a, 0x32, 0x3a])

/** Why a span was not taken. */
export class InvalidSpanError extends Error {
  override name = 'InvalidSpanError'
}

/** One span as it lies in a message (opentelemetry.proto.trace.v1.Span), read over and over. */
export class SpanMessage {
  readonly facts = new Facts()
  /** Places of the ids, the name, the state, and the message of the status. */
  traceId = 0
  spanId = 0
  /** -1 for a span without a parent. */
  parentId = -1
  nameStart = 0
  nameEnd = 0
  stateStart = 0
  stateEnd = 0
  statusStart = 0
  statusEnd = 0
  kind = 0
  status = 0
  /** Nanoseconds in two words. */
  startLow = 0
  startHigh = 0
  endLow = 0
  endHigh = 0
  /** Attributes, events and links that we leave out. */
  discarded = 0
  readonly events: string[] = []
  readonly links: string[] = []
  readonly #cursor = new Cursor()
  readonly #pair = new Cursor()
  readonly #limits: Limits
  readonly #keys = new KeyTable()
  #view = viewOf(Buffer.alloc(0))
  #attributes = 0
  #droppedAttributes = 0
  #droppedEvents = 0
  #droppedLinks = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get bytes(): Buffer {
    return this.#cursor.bytes
  }

  /** Attributes, events and links the sender left out. */
  get droppedBefore(): number {
    return this.#droppedAttributes + this.#droppedEvents + this.#droppedLinks
  }

  /** Over the same bytes. */
  get view(): DataView {
    return this.#view
  }

  /** Nanoseconds it took. */
  get duration(): number {
    return Math.max(0, (this.endHigh - this.startHigh) * 4294967296 + (this.endLow - this.startLow))
  }

  /** Where spans lie from now on. */
  open(bytes: Buffer): void {
    this.#view = viewOf(bytes)
    this.facts.open(bytes)
    this.#cursor.bytes = bytes
    this.#pair.open(bytes, 0, bytes.length)
  }

  /** Reads a span; its attributes go to the row that was begun in `column`. Throws UndecodableError and InvalidSpanError. */
  read(start: number, end: number, column: AttributesColumn): void {
    const cursor = this.#cursor
    cursor.open(cursor.bytes, start, end)
    this.#forget()
    while (cursor.at < end) this.#readField(cursor, cursor.tag(), column)
    cursor.close(end)
    if (this.traceId < 0 || this.spanId < 0) throw new InvalidSpanError('a span has no trace id of 16 bytes or no span id of 8')
  }

  #forget(): void {
    this.facts.next()
    this.traceId = this.spanId = this.parentId = -1
    this.nameStart = this.nameEnd = this.stateStart = this.stateEnd = this.statusStart = this.statusEnd = 0
    this.kind = this.status = 0
    this.startLow = this.startHigh = this.endLow = this.endHigh = 0
    this.discarded = this.#attributes = this.#droppedAttributes = this.#droppedEvents = this.#droppedLinks = 0
    if (this.events.length) this.events.length = 0
    if (this.links.length) this.links.length = 0
  }

  #readField(cursor: Cursor, tag: number, column: AttributesColumn): void {
    switch (tag) {
      case 0x4a:
        cursor.span()
        return this.#addAttribute(cursor.start, cursor.end, column)
      case 0x0a:
        this.traceId = idAt(cursor, traceIdBytes)
        return
      case 0x12:
        this.spanId = idAt(cursor, spanIdBytes)
        return
      case 0x22:
        this.parentId = idAt(cursor, spanIdBytes)
        return
      case 0x2a:
        cursor.span()
        this.nameStart = cursor.start
        this.nameEnd = cursor.end
        return
      case 0x30:
        this.kind = cursor.varint()
        return
      case 0x39:
        cursor.skip(tag)
        this.startLow = this.#view.getUint32(cursor.at - 8, true)
        this.startHigh = this.#view.getUint32(cursor.at - 4, true)
        return
      case 0x41:
        cursor.skip(tag)
        this.endLow = this.#view.getUint32(cursor.at - 8, true)
        this.endHigh = this.#view.getUint32(cursor.at - 4, true)
        return
      default:
        this.#readRare(cursor, tag)
    }
  }

  #readRare(cursor: Cursor, tag: number): void {
    switch (tag) {
      case 0x1a:
        cursor.span()
        this.stateStart = cursor.start
        this.stateEnd = cursor.end
        return
      case 0x50:
        this.#droppedAttributes = cursor.varint()
        return
      case 0x60:
        this.#droppedEvents = cursor.varint()
        return
      case 0x70:
        this.#droppedLinks = cursor.varint()
        return
      case 0x5a:
        cursor.span()
        return this.#addEvent(cursor.start, cursor.end)
      case 0x6a:
        cursor.span()
        return this.#addLink(cursor.start, cursor.end)
      case 0x7a:
        cursor.span()
        return this.#readStatus(cursor.start, cursor.end)
      default:
        cursor.skip(tag)
    }
  }

  /** Status{message 2, code 3}. */
  #readStatus(start: number, end: number): void {
    const cursor = this.#pair
    cursor.open(cursor.bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 0x18) this.status = cursor.varint()
      else if (tag === 0x12) {
        cursor.span()
        this.statusStart = cursor.start
        this.statusEnd = cursor.end
      } else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #addEvent(start: number, end: number): void {
    const { text, discarded } = eventText(this.bytes, start, end, this.#limits)
    this.discarded += discarded
    if (this.events.length < this.#limits.events) this.events.push(text)
    else this.discarded++
  }

  #addLink(start: number, end: number): void {
    const text = linkText(this.bytes, start, end)
    if (this.links.length < this.#limits.links) this.links.push(text)
    else this.discarded++
  }

  /** KeyValue{key 1, value 2}. */
  #addAttribute(start: number, end: number, column: AttributesColumn): void {
    const cursor = this.#pair
    cursor.open(cursor.bytes, start, end)
    let key = noKey
    let valueStart = 0
    let valueEnd = 0
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag !== 0x0a && tag !== 0x12) {
        cursor.skip(tag)
        continue
      }
      cursor.span()
      if (tag === 0x0a) key = this.#keys.find(this.bytes, this.#view, cursor.start, cursor.end)
      else {
        valueStart = cursor.start
        valueEnd = cursor.end
      }
    }
    cursor.close(end)
    if (this.#attributes < this.#limits.attributes) {
      this.#attributes++
      return this.#addValue(key, valueStart, valueEnd, column)
    }
    this.discarded++
    if (key.number !== noNumber) this.#addValue(key, valueStart, valueEnd, undefined)
  }

  /**
   * AnyValue: a text in place, which most are; anything else by way of a text that is made. Without a column the attribute is over the
   * limit: it is not kept, and what it tells of the call and its ends is.
   */
  #addValue(key: Key, start: number, end: number, column: AttributesColumn | undefined): void {
    const { bytes } = this
    const cursor = this.#pair
    cursor.open(bytes, start, end)
    const tag = start < end ? bytes[start] : 0
    if (tag === 0x0a) {
      cursor.at = start + 1
      cursor.span()
      if (cursor.end === end) return this.#addText(key, cursor.start, end, column)
    } else if (tag === 0x18) {
      cursor.at = start + 1
      const text = String(signedText(cursor.varint(), cursor.high))
      if (cursor.at === end) return this.#addMade(key, text, column)
    }
    this.#addRareValue(key, start, end, column)
  }

  /** Of several values the last counts. A text stays in place, in whatever form its message is: addresses and URLs are read there. */
  #addRareValue(key: Key, start: number, end: number, column: AttributesColumn | undefined): void {
    const cursor = this.#pair
    cursor.open(this.bytes, start, end)
    let [textStart, textEnd] = [-1, -1]
    while (cursor.at < end) {
      const tag = cursor.tag()
      cursor.skip(tag)
      if (tag === 0x0a) [textStart, textEnd] = [cursor.start, cursor.end]
      else if (otherValues.has(tag)) textStart = -1
    }
    cursor.close(end)
    if (textStart >= 0) return this.#addText(key, textStart, textEnd, column)
    const { text, isCut } = anyText(this.bytes, start, end, this.#limits)
    if (isCut && column) this.discarded++
    this.#addMade(key, text, column)
  }

  #addText(key: Key, start: number, end: number, column: AttributesColumn | undefined): void {
    if (key.number !== noNumber) this.facts.setBytes(key.number, start, end)
    if (!column) return
    if (end - start <= this.#limits.value_bytes) return column.addView(key.written, this.bytes, this.#view, start, end)
    this.discarded++
    column.addText(key.written, cutBytes(this.bytes, start, end, this.#limits.value_bytes))
  }

  #addMade(key: Key, text: string, column: AttributesColumn | undefined): void {
    column?.addText(key.written, text)
    if (key.number !== noNumber) this.facts.setText(key.number, text)
  }
}

/** Where an id lies; -1 for one of another length. */
function idAt(cursor: Cursor, length: number): number {
  cursor.span()
  return cursor.end - cursor.start === length ? cursor.start : -1
}
