import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { BlockBuilder as Builder } from '../../runtime/block/builder.ts'
import { type KindName, kinds } from '../../schema/record.ts'
import type { SourceContext } from '../source.ts'
import { Framing, type LineTaker } from './framing.ts'
import type { LineContext, LineReader } from './line.ts'
import { type LineKind, Positions, lineKinds } from './positions.ts'
import { type FormatOptions, openLineReader } from './reader.ts'

const newline = 10

/** Something lines come from, one after another. */
export interface Stream {
  context: LineContext
  framing: Framing
  /** Names the file the lines are of, for as long as it is the same; '' where there is none to go back to. */
  key: string
  /** Whether what comes up to the next end of a line is the rest of one that is too long. */
  isSkipping: boolean
}

/** Takes pieces of logs, has their lines read and notes how far that was. One piece at a time. */
export class Intake {
  readonly positions: Positions
  readonly #context: SourceContext
  readonly #reader: LineReader
  readonly #maxLineBytes: number
  /** Where rows go that were published before. */
  readonly #repeated = new Map<KindName, BlockBuilder>()
  #isRepeat: Record<LineKind, boolean> = { request: false, flow: false }
  #turn = Promise.resolve()

  /** Throws ConfigError for formats that cannot be compiled. */
  constructor(formats: FormatOptions, maxLineBytes: number, context: SourceContext) {
    const { outbox, instruments } = context
    this.#context = context
    this.#maxLineBytes = maxLineBytes
    this.positions = new Positions(outbox)
    const block = (kind: KindName) =>
      kind in this.#isRepeat && this.#isRepeat[kind as LineKind] ? this.#repeatedOf(kind) : outbox.block(kind)
    this.#reader = openLineReader(formats, { block, deadLetter: letter => outbox.deadLetter(letter) }, instruments)
  }

  newStream(context: LineContext): Stream {
    return { context, framing: new Framing(this.#maxLineBytes), key: '', isSkipping: false }
  }

  /** Takes a piece when those before it have been taken. `offset` is where it begins in its file. */
  take(stream: Stream, bytes: Buffer, offset: number, key = ''): Promise<void> {
    this.#turn = this.#turn.then(() => this.#takePiece(stream, bytes, offset, key))
    return this.#turn
  }

  async #takePiece(stream: Stream, bytes: Buffer, offset: number, key: string): Promise<void> {
    const { outbox, signal, instruments } = this.#context
    if (key !== stream.key) this.#beginFile(stream, key)
    let at = this.#skip(stream, bytes)
    if (at < bytes.length && bytes.at(-1) !== newline && bytes.length - at > this.#maxLineBytes) {
      instruments.discarded(1, 'too_large')
      stream.isSkipping = true
      at = bytes.length
    }
    while (at < bytes.length && !signal.aborted) {
      await outbox.ready()
      at = this.#takeLines(stream, bytes, at, offset)
    }
    if (key && !signal.aborted) this.positions.note(key, offset + at, stream.framing.pending ?? offset + at)
  }

  #beginFile(stream: Stream, key: string): void {
    if (stream.framing.pending !== undefined) this.#context.instruments.discarded(1, 'undecodable')
    stream.framing = new Framing(this.#maxLineBytes)
    stream.key = key
    stream.isSkipping = false
  }

  /** Where to begin behind the rest of a line that was too long. */
  #skip(stream: Stream, bytes: Buffer): number {
    if (!stream.isSkipping) return 0
    const end = bytes.indexOf(newline)
    if (end >= 0) stream.isSkipping = false
    return end < 0 ? bytes.length : end + 1
  }

  /** Takes lines until a block is full. Returns where the next begins. */
  #takeLines(stream: Stream, bytes: Buffer, start: number, offset: number): number {
    const { outbox, instruments } = this.#context
    const { framing, key, context } = stream
    const blocks = lineKinds.map(kind => outbox.block(kind))
    const counter = new Counter(this.#lineTakerOf(stream, offset + start))
    context.received = Date.now() * 1000
    let at = start
    while (at < bytes.length && !blocks[0].full && !blocks[1].full) {
      const found = bytes.indexOf(newline, at)
      const end = found < 0 ? bytes.length : found
      framing.take(bytes, at, end, offset + at, counter)
      at = Math.min(bytes.length, end + 1)
    }
    instruments.received(counter.lines)
    instruments.discarded(counter.unknown, 'unknown_kind')
    instruments.discarded(counter.tooLarge, 'too_large')
    if (key) this.positions.note(key, offset + at, framing.pending ?? offset + at)
    return at
  }

  /** Reads a line; where records of it may be on the bus already, leaves those out. */
  #lineTakerOf({ key, context }: Stream, from: number): ReadLine {
    const read: ReadLine = (bytes, start, end) => this.#reader.takeBytes(bytes, start, end, context)
    if (!key || !this.positions.isRepeat(key, from)) return read
    return (bytes, start, end, endOffset) => {
      for (const kind of lineKinds) this.#isRepeat[kind] = this.positions.isPublished(kind, key, endOffset)
      const taken = read(bytes, start, end, endOffset)
      for (const kind of lineKinds) this.#isRepeat[kind] = false
      return taken
    }
  }

  #repeatedOf(kind: KindName): BlockBuilder {
    const known = this.#repeated.get(kind)
    if (known) {
      known.reset()
      return known
    }
    const builder = new Builder(kinds[kind], 1)
    this.#repeated.set(kind, builder)
    return builder
  }
}

type ReadLine = (bytes: Buffer, start: number, end: number, endOffset: number) => boolean

/** Hands lines on, and counts those that are nothing we know. */
class Counter implements LineTaker {
  lines = 0
  unknown = 0
  tooLarge = 0
  readonly #read: ReadLine

  constructor(read: ReadLine) {
    this.#read = read
  }

  line(bytes: Buffer, start: number, end: number, endOffset: number): void {
    this.lines++
    if (!this.#read(bytes, start, end, endOffset)) this.unknown++
  }

  tooLong(): void {
    this.lines++
    this.tooLarge++
  }
}
