import type { Labels } from '../samples/point.ts'
import { viewOf } from '../protobuf/bytes.ts'
import { Cursor, UndecodableError } from '../protobuf/cursor.ts'
import { integer } from './native.ts'
import { ExpositionError } from './reading.ts'
import { type RemoteSeries, type RemoteStore, Samples } from './remote-series.ts'
import { SeriesTable } from './series-table.ts'
import type { Label } from './series.ts'
import { bytesTag, metadataTypes, readHistogram, readSample, refusing } from './write-request.ts'

/** A text of a request, and its number in all requests. */
interface Numbered {
  id: number
  text: string
}

interface Head {
  type: number
  unit: number
  created: number
}

const empty: Numbered = { id: 0, text: '' }
const refsOfLabels = 2048

/**
 * Reads io.prometheus.write.v2.Request, of remote write 2.0, whole. Symbols are numbered once for all requests: a series is known again by the
 * numbers of its labels, wherever they stand in a request.
 */
export class Request2Reader {
  readonly #store: RemoteStore
  readonly #known = new SeriesTable<Numbered>()
  readonly #labelsByIds = new Map<number, Map<number, Label>>()
  #lastId = 0
  #requests = 0
  /** Of the request. */
  #symbols: Numbered[] = []
  readonly #refs = new Int32Array(refsOfLabels)
  /** Begins with 0, as the labels of no request of version 1.0 do. */
  readonly #ids = new Int32Array(1 + refsOfLabels)
  readonly #key = Buffer.from(this.#ids.buffer)
  readonly #keyView = viewOf(this.#key)
  #count = 0

  constructor(store: RemoteStore) {
    this.#store = store
  }

  /** Throws UndecodableError. */
  read(bytes: Buffer): Samples {
    const samples = new Samples()
    this.#readSymbols(bytes)
    const cursor = new Cursor()
    cursor.open(bytes, 0, bytes.length)
    while (cursor.at < bytes.length) {
      const tag = cursor.tag()
      cursor.skip(tag)
      if (tag === bytesTag(5)) this.#timeSeries(bytes, cursor.start, cursor.end, samples)
    }
    this.#symbols = []
    if (++this.#requests % 1024 === 0 && this.#known.turn()) this.#labelsByIds.clear()
    return samples
  }

  #readSymbols(bytes: Buffer): void {
    const view = viewOf(bytes)
    const cursor = new Cursor()
    cursor.open(bytes, 0, bytes.length)
    this.#symbols = []
    while (cursor.at < bytes.length) {
      const tag = cursor.tag()
      cursor.skip(tag)
      if (tag === bytesTag(4)) this.#symbols.push(this.#symbol(bytes, view, cursor.start, cursor.end))
    }
  }

  #symbol(bytes: Buffer, view: DataView, start: number, end: number): Numbered {
    if (start === end) return empty
    const known = this.#known.find(view, start, end)
    if (known) return known
    const symbol = { id: ++this.#lastId, text: bytes.toString('utf8', start, end) }
    if (end - start <= this.#store.limits.seriesBytes) this.#known.add(bytes, view, start, end, symbol)
    return symbol
  }

  #timeSeries(bytes: Buffer, start: number, end: number, samples: Samples): void {
    const cursor = new Cursor()
    cursor.open(bytes, start, end)
    const head: Head = { type: 0, unit: 0, created: 0 }
    this.#count = 0
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 48) head.created = integer(cursor)
      else if (tag === 8) this.#ref(cursor)
      else cursor.skip(tag)
      if (tag === bytesTag(1)) this.#readRefs(bytes, cursor.start, cursor.end)
      else if (tag === bytesTag(4)) samples.exemplars++
      else if (tag === bytesTag(5)) readHead(bytes, cursor.start, cursor.end, head)
    }
    const series = refusing(samples, () => this.#series(head))
    if (series) this.#values(bytes, { start, end, began: head.created }, series, samples)
  }

  #values(
    bytes: Buffer,
    { start, end, began }: { start: number; end: number; began: number },
    series: RemoteSeries,
    samples: Samples,
  ): void {
    const cursor = new Cursor()
    cursor.open(bytes, start, end)
    const first = samples.series.length
    while (cursor.at < end) {
      const tag = cursor.tag()
      cursor.skip(tag)
      const place = { start: cursor.start, end: cursor.end }
      if (tag === bytesTag(2)) readSample(bytes, place, series, samples)
      else if (tag === bytesTag(3)) readHistogram(bytes, place, series, samples)
    }
    // Senders of earlier drafts say it once for the series.
    if (began > 0) for (let i = first; i < samples.began.length; i++) samples.began[i] ??= began * 1000
  }

  #readRefs(bytes: Buffer, start: number, end: number): void {
    const cursor = new Cursor()
    cursor.open(bytes, start, end)
    while (cursor.at < end) this.#ref(cursor)
    cursor.close(end)
  }

  #ref(cursor: Cursor): void {
    const ref = cursor.varint()
    const symbol = this.#symbols[ref]
    if (!symbol) throw new UndecodableError(`a label that refers to symbol ${ref} of ${this.#symbols.length}`, cursor.at)
    if (this.#count < refsOfLabels) this.#refs[this.#count] = ref
    this.#count++
  }

  #series({ type, unit }: Head): RemoteSeries {
    if (this.#count > refsOfLabels) throw new ExpositionError(`more than ${refsOfLabels / 2} labels`, 'over_limit')
    if (this.#count % 2) throw new ExpositionError('a label without a value')
    for (let i = 0; i < this.#count; i++) this.#ids[i + 1] = this.#symbols[this.#refs[i]].id
    const end = (this.#count + 1) * Int32Array.BYTES_PER_ELEMENT
    const { table } = this.#store
    const known = table.find(this.#keyView, 0, end)
    const series = known ?? this.#store.define(this.#labels())
    if (!known) table.add(this.#key, this.#keyView, 0, end, series)
    this.#store.settleAs(series, metadataTypes[type] ?? 'unknown', this.#symbols[unit]?.text ?? '')
    return series
  }

  #labels(): Labels {
    return Array.from({ length: this.#count / 2 }, (_, i) =>
      this.#label(this.#symbols[this.#refs[2 * i]], this.#symbols[this.#refs[2 * i + 1]]),
    )
  }

  /** The same array for the same label. */
  #label(name: Numbered, value: Numbered): Label {
    const byValue = this.#labelsByIds.get(name.id) ?? new Map<number, Label>()
    this.#labelsByIds.set(name.id, byValue)
    const label = byValue.get(value.id) ?? [name.text, value.text]
    byValue.set(value.id, label)
    return label
  }
}

function readHead(bytes: Buffer, start: number, end: number, head: Head): void {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 8) head.type = cursor.varint()
    else if (tag === 32) head.unit = cursor.varint()
    else cursor.skip(tag)
  }
}
