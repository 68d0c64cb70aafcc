import type { Histogram, Labels, Point } from '../samples/point.ts'
import { viewOf } from '../protobuf/bytes.ts'
import { Cursor, UndecodableError } from '../protobuf/cursor.ts'
import { type Bucket, histogramOf } from './assemble.ts'
import { type Distribution, distribution, timestampOf } from './distribution.ts'
import { LabelMessages } from './label.ts'
import { doubleAt, integer } from './native.ts'
import { ExpositionError, type Limits, type Reading, defaultLimits, discard, mostBrokenKept, newReading } from './reading.ts'
import { SeriesTable } from './series-table.ts'
import { hasTwice, sorted, withTarget } from './series.ts'

/** Of io.prometheus.client.MetricType, by number. */
const types = ['counter', 'gauge', 'summary', 'untyped', 'histogram', 'gaugehistogram'] as const
/** Field of io.prometheus.client.Metric that has the value, by type. */
const valueFields: readonly number[] = [3, 2, 4, 5, 7, 7]
const turnEveryMicros = 5 * 60e6
const bytesTag = (field: number) => (field << 3) | 2

/** Labels as they came, and with what a summary adds. */
interface LabelSet {
  labels: Labels
  byExtra: Map<string, Labels>
}

interface FamilyHead {
  name: string
  type: number
  unit: string
}

/**
 * Reads io.prometheus.client.MetricFamily of one target: it remembers the label sets from one message to the next. A family that is broken
 * is counted, and the others are read. Exemplars are left out. Of a histogram that has both, the classic buckets are taken.
 */
export class FamilyFormat {
  readonly #target: Labels
  readonly #limits: Limits
  readonly #table = new SeriesTable<LabelSet>()
  readonly #labelMessages = new LabelMessages()
  readonly #bare: LabelSet
  readonly #cursor = new Cursor()
  /** Bounds of the histogram before, which mostly are those of the next. */
  readonly #holder: { bounds: readonly number[] } = { bounds: [] }
  #view = viewOf(Buffer.alloc(0))
  #bytes: Buffer = Buffer.alloc(0)
  #time = 0
  #turned = 0
  #reading = newReading()
  #scratch = Buffer.alloc(0)

  /** `target` are the labels every series gets. */
  constructor(target: Labels = [], limits: Limits = defaultLimits) {
    this.#target = target
    this.#limits = limits
    this.#bare = { labels: withTarget([], target), byExtra: new Map() }
  }

  /** Families each behind its length, as a scrape has them. `time` is that of metrics that have none, in microseconds. */
  readDelimited(bytes: Buffer, time: number): Reading {
    this.#begin(bytes, time)
    const lengths = new Cursor()
    lengths.open(bytes, 0, bytes.length)
    try {
      while (lengths.at < bytes.length) {
        lengths.span()
        this.#family(lengths.start, lengths.end)
      }
    } catch (error) {
      this.#keepBroken(error, bytes.subarray(lengths.at))
    }
    this.#turn()
    return this.#finish()
  }

  /** Field `field` of a message, repeated, each time a family. */
  readField(bytes: Buffer, field: number, time: number): Reading {
    this.#begin(bytes, time)
    const outer = new Cursor()
    outer.open(bytes, 0, bytes.length)
    try {
      while (outer.at < bytes.length) {
        const tag = outer.tag()
        outer.skip(tag)
        if (tag === bytesTag(field)) this.#family(outer.start, outer.end)
      }
    } catch (error) {
      this.#keepBroken(error, bytes.subarray(outer.at))
    }
    // What an agent has to say may come in several messages.
    if (time - this.#turned >= turnEveryMicros || this.#table.size > 2 * this.#limits.series) this.#turn()
    return this.#finish()
  }

  #begin(bytes: Buffer, time: number): void {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.#time = time
    this.#reading = newReading()
    this.#table.begin()
  }

  /** Forgets what is not told any more. */
  #turn(): void {
    this.#turned = this.#time
    this.#table.turn()
    this.#labelMessages.turn()
  }

  #finish(): Reading {
    this.#bytes = Buffer.alloc(0)
    this.#view = viewOf(this.#bytes)
    return this.#reading
  }

  #keepBroken(error: unknown, body: Buffer): void {
    if (!(error instanceof UndecodableError || error instanceof ExpositionError)) throw error
    const { broken } = this.#reading
    discard(this.#reading, error instanceof ExpositionError ? error.reason : 'undecodable')
    const where = `byte ${body.byteOffset - this.#bytes.byteOffset}`
    if (broken.length < mostBrokenKept) broken.push({ where, message: error.message, body: Buffer.from(body.subarray(0, 4096)) })
  }

  /** All points of a family, or none if it is broken. */
  #family(start: number, end: number): void {
    const before = this.#reading.points.length
    try {
      const head = this.#head(start, end)
      const cursor = this.#cursor
      cursor.open(this.#bytes, start, end)
      while (cursor.at < end) {
        const tag = cursor.tag()
        cursor.skip(tag)
        if (tag === bytesTag(4)) this.#metric(head, cursor.start, cursor.end)
      }
    } catch (error) {
      this.#reading.points.length = before
      this.#keepBroken(error, this.#bytes.subarray(start, end))
    }
  }

  #head(start: number, end: number): FamilyHead {
    const cursor = this.#cursor
    const head: FamilyHead = { name: '', type: 0, unit: '' }
    cursor.open(this.#bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 24) head.type = cursor.varint()
      else cursor.skip(tag)
      if (tag === bytesTag(1)) head.name = cursor.text(cursor.start, cursor.end)
      else if (tag === bytesTag(5)) head.unit = cursor.text(cursor.start, cursor.end)
    }
    if (!head.name) throw new ExpositionError('a family without a name')
    if (!types[head.type]) throw new ExpositionError(`a family of type ${head.type}`, 'unknown_kind')
    return head
  }

  #metric(head: FamilyHead, start: number, end: number): void {
    if (++this.#reading.series > this.#limits.series) return discard(this.#reading, 'over_limit')
    const cursor = new Cursor()
    cursor.open(this.#bytes, start, end)
    let [labelsStart, labelsEnd, labelBytes] = [0, 0, 0]
    let [valueStart, valueEnd] = [-1, -1]
    let time = this.#time
    while (cursor.at < end) {
      const from = cursor.at
      const tag = cursor.tag()
      if (tag === 48) {
        time = integer(cursor) * 1000
        continue
      }
      cursor.skip(tag)
      if (tag === bytesTag(1)) {
        if (!labelBytes) labelsStart = from
        labelBytes += cursor.at - from
        labelsEnd = cursor.at
      } else if (tag === bytesTag(valueFields[head.type])) [valueStart, valueEnd] = [cursor.start, cursor.end]
    }
    const isTogether = labelsEnd - labelsStart === labelBytes
    const set = isTogether ? this.#labels(labelsStart, labelsEnd) : this.#gathered(start, end)
    if (valueStart < 0) throw new ExpositionError(`a ${types[head.type]} without a value`)
    this.#value(head, set, time || this.#time, valueStart, valueEnd)
  }

  #labels(start: number, end: number): LabelSet {
    if (start === end) return this.#bare
    return this.#table.find(this.#view, start, end) ?? this.#learn(this.#bytes, this.#view, start, end)
  }

  /** Labels between which other fields stand. */
  #gathered(start: number, end: number): LabelSet {
    const cursor = new Cursor()
    cursor.open(this.#bytes, start, end)
    const pieces: Buffer[] = []
    while (cursor.at < end) {
      const from = cursor.at
      const tag = cursor.tag()
      cursor.skip(tag)
      if (tag === bytesTag(1)) pieces.push(this.#bytes.subarray(from, cursor.at))
    }
    this.#scratch = Buffer.concat(pieces)
    const view = viewOf(this.#scratch)
    return this.#table.find(view, 0, this.#scratch.length) ?? this.#learn(this.#scratch, view, 0, this.#scratch.length)
  }

  #learn(bytes: Buffer, view: DataView, start: number, end: number): LabelSet {
    if (end - start > this.#limits.seriesBytes)
      throw new ExpositionError(`a series of more than ${this.#limits.seriesBytes} bytes`, 'over_limit')
    const labels = sorted(this.#labelMessages.read(bytes, view, { start, end, tag: bytesTag(1) }))
    if (labels.some(([name]) => !name)) throw new ExpositionError('a label without a name')
    if (hasTwice(labels)) throw new ExpositionError('a label twice')
    if (labels.length > this.#limits.labels) throw new ExpositionError(`more than ${this.#limits.labels} labels`, 'over_limit')
    const set: LabelSet = { labels: withTarget(labels, this.#target), byExtra: new Map() }
    this.#table.add(bytes, view, start, end, set)
    return set
  }

  #value(head: FamilyHead, set: LabelSet, time: number, start: number, end: number): void {
    const type = types[head.type]
    const cursor = new Cursor()
    cursor.open(this.#bytes, start, end)
    if (type === 'counter' || type === 'gauge' || type === 'untyped') return this.#scalar(head, set, time, cursor)
    const isHistogram = type !== 'summary'
    const told = distribution(cursor, isHistogram)
    if (type === 'gaugehistogram') return discard(this.#reading, 'unknown_kind')
    if (!isHistogram) return this.#summary(head, set, time, told)
    const { count, sum, buckets, native } = told
    const isClassic = buckets.length > 0 || !native.isThere
    const histogram = isClassic ? histogramOf(ascending(buckets), { count, sum }, this.#holder) : native.histogram(sum)
    this.#add({ head, labels: set.labels, time, began: told.began }, { type: 'histogram', value: count, histogram })
  }

  /** Of counters, gauges and what is untyped. Field 3 of a counter says when it began. */
  #scalar(head: FamilyHead, { labels }: LabelSet, time: number, cursor: Cursor): void {
    let value = 0
    let began: number | undefined
    while (cursor.at < cursor.limit) {
      const tag = cursor.tag()
      if (tag === 9) value = doubleAt(cursor)
      else cursor.skip(tag)
      if (tag === bytesTag(3)) began = timestampOf(cursor)
    }
    const isCounter = types[head.type] === 'counter' || (types[head.type] === 'untyped' && head.name.endsWith('_total'))
    this.#add({ head, labels, time, began }, { type: isCounter ? 'counter' : 'gauge', value })
  }

  #summary(head: FamilyHead, set: LabelSet, time: number, { count, sum, began, buckets }: Distribution): void {
    const { name } = head
    for (const { bound, value } of buckets)
      this.#add({ head, labels: this.#withExtra(set, 'quantile', quantileText(bound)), time }, { type: 'gauge', value })
    this.#add({ head: { ...head, name: `${name}_sum` }, labels: set.labels, time, began }, { type: 'counter', value: sum })
    this.#add({ head: { ...head, name: `${name}_count` }, labels: set.labels, time, began }, { type: 'counter', value: count })
  }

  #withExtra({ labels, byExtra }: LabelSet, name: string, value: string): Labels {
    const known = byExtra.get(value)
    if (known) return known
    const extended = withTarget([...labels, [name, value]], [])
    if (byExtra.size < 100) byExtra.set(value, extended)
    return extended
  }

  #add(
    { head, labels, time, began }: { head: FamilyHead; labels: Labels; time: number; began?: number },
    value: { type: Point['type']; value: number; histogram?: Histogram },
  ): void {
    if (Number.isNaN(value.value)) return discard(this.#reading, 'no_value')
    this.#reading.points.push({
      metric: head.name,
      labels,
      time,
      ...value,
      ...(began !== undefined && { began }),
      ...(head.unit && { unit: head.unit }),
    })
  }
}

const ascending = (buckets: Bucket[]) =>
  buckets.every(({ bound }, i) => !i || buckets[i - 1].bound < bound) ? buckets : buckets.toSorted((a, b) => a.bound - b.bound)

/** As agents write it in text: 0.5, 0.99, 1. */
const quantileText = (quantile: number) => String(quantile)
