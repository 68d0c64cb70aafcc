import { viewOf } from '../protobuf/bytes.ts'
import { Cursor } from '../protobuf/cursor.ts'
import { NativeHistogram, doubleAt, integer, unsigned } from './native.ts'
import { ExpositionError } from './reading.ts'
import { type RemoteSeries, type RemoteStore, Samples } from './remote-series.ts'
import type { FamilyType } from './series.ts'

export const bytesTag = (field: number) => (field << 3) | 2
/** Of MetricMetadata.MetricType in both versions, by number. */
export const metadataTypes: readonly FamilyType[] = [
  'unknown',
  'counter',
  'gauge',
  'histogram',
  'gaugehistogram',
  'summary',
  'info',
  'stateset',
]
const gaugeHistogram = 3

/** Reads prometheus.WriteRequest, of remote write 1.0, whole. Throws UndecodableError. */
export function readWriteRequest(bytes: Buffer, store: RemoteStore): Samples {
  const samples = new Samples()
  const view = viewOf(bytes)
  const cursor = new Cursor()
  cursor.open(bytes, 0, bytes.length)
  while (cursor.at < bytes.length) {
    const tag = cursor.tag()
    cursor.skip(tag)
    if (tag === bytesTag(3)) readMetadata(bytes, cursor.start, cursor.end, store)
    else if (tag === bytesTag(1)) readTimeSeries({ bytes, view, start: cursor.start, end: cursor.end }, store, samples)
  }
  return samples
}

function readMetadata(bytes: Buffer, start: number, end: number, store: RemoteStore): void {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  let [type, name, unit] = [0, '', '']
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 8) type = cursor.varint()
    else cursor.skip(tag)
    if (tag === bytesTag(2)) name = cursor.text(cursor.start, cursor.end)
    else if (tag === bytesTag(5)) unit = cursor.text(cursor.start, cursor.end)
  }
  if (name) store.describe(name, metadataTypes[type] ?? 'unknown', unit)
}

interface Place {
  bytes: Buffer
  view: DataView
  start: number
  end: number
}

/** Series that are none are kept with their reason; the others of the request are read. */
function readTimeSeries(place: Place, store: RemoteStore, samples: Samples): void {
  const { bytes, start, end } = place
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  const labels = { start: 0, end: 0, bytes: 0 }
  while (cursor.at < end) {
    const from = cursor.at
    const tag = cursor.tag()
    cursor.skip(tag)
    if (tag === bytesTag(3)) samples.exemplars++
    if (tag !== bytesTag(1)) continue
    if (!labels.bytes) labels.start = from
    labels.bytes += cursor.at - from
    labels.end = cursor.at
  }
  const series = refusing(samples, () => seriesOf(place, labels, store))
  if (!series) return
  store.settle(series)
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    cursor.skip(tag)
    if (tag === bytesTag(2)) readSample(bytes, { start: cursor.start, end: cursor.end }, series, samples)
    else if (tag === bytesTag(4)) readHistogram(bytes, { start: cursor.start, end: cursor.end }, series, samples)
  }
}

/** What is thrown because of the series alone is kept as a refusal. */
export function refusing<T>(samples: Samples, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ExpositionError)) throw error
    samples.refused.push(error)
    return undefined
  }
}

/** Labels stand together, in all senders there are; elsewhere the bytes of the whole series would not be known again. */
function seriesOf(
  { bytes, view, start, end }: Place,
  labels: { start: number; end: number; bytes: number },
  store: RemoteStore,
): RemoteSeries {
  if (labels.bytes > store.limits.seriesBytes)
    throw new ExpositionError(`a series of more than ${store.limits.seriesBytes} bytes`, 'over_limit')
  const isTogether = labels.end - labels.start === labels.bytes
  const known = isTogether ? store.table.find(view, labels.start, labels.end) : undefined
  if (known) return known
  const series = store.define(store.labelMessages.read(bytes, view, { start, end, tag: bytesTag(1) }))
  if (isTogether) store.table.add(bytes, view, labels.start, labels.end, series)
  return series
}

/** A Sample of either version; start_timestamp is of the second. */
export function readSample(bytes: Buffer, { start, end }: { start: number; end: number }, series: RemoteSeries, samples: Samples): void {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  let [value, time, began] = [0, 0, 0]
  while (cursor.at < end) {
    const tag = cursor.tag()
    if (tag === 9) value = doubleAt(cursor)
    else if (tag === 16) time = integer(cursor)
    else if (tag === 24) began = integer(cursor)
    else cursor.skip(tag)
  }
  cursor.close(end)
  samples.add(series, value, time, began)
}

/** A native histogram of either version; start_timestamp is of the second. */
export function readHistogram(bytes: Buffer, { start, end }: { start: number; end: number }, series: RemoteSeries, samples: Samples): void {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  const native = new NativeHistogram()
  let [count, sum, time, began, hint] = [0, 0, 0, 0, 0]
  const read = (tag: number) => {
    const field = tag >>> 3
    if (field === 1) count = unsigned(cursor)
    else if (field === 2) count = doubleAt(cursor)
    else if (field === 3) sum = doubleAt(cursor)
    else if (field === 14) hint = cursor.varint()
    else if (field === 15) time = integer(cursor)
    else if (field === 17) began = integer(cursor)
    else if (!native.read(cursor, tag, field)) cursor.skip(tag)
  }
  refusing(samples, () => {
    while (cursor.at < end) read(cursor.tag())
    cursor.close(end)
    if (hint === gaugeHistogram) throw new ExpositionError(`a histogram of gauges in ${series.name}`, 'unknown_kind')
    const { name, labels, family } = series
    const histogram = Number.isNaN(sum) ? { sum, bounds: [], counts: [] } : native.histogram(sum)
    samples.histograms.push({
      series,
      point: {
        metric: name,
        type: 'histogram',
        labels,
        time: time * 1000,
        value: count,
        ...(began > 0 && { began: began * 1000 }),
        ...(family?.unit && { unit: family.unit }),
        histogram,
      },
    })
  })
}
