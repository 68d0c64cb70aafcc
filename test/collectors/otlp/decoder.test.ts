import test from 'ava'
import fc from 'fast-check'
import { groupsOf, scopeName } from '../../../collectors/otlp/groups.ts'
import { encodeJson } from '../../../collectors/otlp/json.ts'
import { defaultLimits } from '../../../collectors/otlp/options.ts'
import { Resources } from '../../../collectors/otlp/resources.ts'
import { shapes } from '../../../collectors/otlp/shapes.ts'
import { InvalidSpanError, SpanMessage } from '../../../collectors/otlp/span.ts'
import { SpanRows } from '../../../collectors/otlp/span-rows.ts'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import { Block } from '../../../runtime/block/block.ts'
import { BlockBuilder } from '../../../runtime/block/builder.ts'
import { kinds } from '../../../schema/record.ts'
import { choices, scramble } from '../hubble/scramble.ts'
import { LogsRequest, MetricsRequest, SpanType, TraceRequest, encoded } from './proto.ts'
import { type PlainSpan, jsonOf, referenceSpan } from './reference.ts'
import { exportsThatTell, traceExports } from './arbitrary.ts'

const received = 1_700_000_000_123_456

/** A decoder over a block of its own; `decode` returns the records, and what is wrong with the spans that are none. */
function open(limits = defaultLimits) {
  const options = { limits, cluster: 'home', source: 'otlp' }
  const builder = new BlockBuilder(kinds.span, 256)
  const rows = new SpanRows(builder, options)
  const span = new SpanMessage(limits)
  const resources = new Resources(options)
  const readSpan = (start: number, end: number, of: { resource: ReturnType<Resources['read']>; scope: string }) => {
    try {
      span.read(start, end, rows.begin(end - start))
      rows.write(span, of.resource, of.scope, received)
    } catch (error) {
      if (!(error instanceof UndecodableError || error instanceof InvalidSpanError)) throw error
    }
  }
  return (bytes: Buffer): Record<string, unknown>[] => {
    builder.reset()
    span.open(bytes)
    for (const group of groupsOf(bytes)) {
      const of = { resource: resources.read(bytes, group), scope: scopeName(bytes, group) }
      for (let i = 0; i < group.items.length && !builder.full; i += 2) readSpan(group.items[i], group.items[i + 1], of)
    }
    return new Block(builder.encode(), kinds.span).records()
  }
}

/** Of the record what the reference knows. */
const compared = (record: Record<string, unknown>, reference: object) =>
  Object.fromEntries(Object.keys(reference).map(name => [name, record[name]]))

test('any span decodes to what the reference decoder makes of it', t => {
  const decode = open()
  fc.assert(
    fc.property(traceExports, request => {
      const bytes = encoded(TraceRequest, request)
      const plain = TraceRequest.toObject(TraceRequest.decode(bytes), { longs: String, bytes: Buffer, defaults: true, oneofs: true })
      const expected = plain.resourceSpans.flatMap((of: PlainSpan) =>
        of.scopeSpans.flatMap((scope: PlainSpan) => scope.spans.map((span: PlainSpan) => referenceSpan(span, scope, of, received))),
      )
      const records = decode(bytes)
      t.is(records.length, expected.length)
      t.deepEqual(
        records.map((record, i) => compared(record, expected[i])),
        expected,
      )
    }),
    { numRuns: 400 },
  )
})

test('a span in any legal form of its message is the same span', t => {
  const decode = open()
  const wrap = (span: Buffer) => {
    const of = (inner: Buffer) => Buffer.concat([Buffer.from([0x12]), varint(inner.length), inner])
    const resource = of(of(span))
    return Buffer.concat([Buffer.from([0x0a]), varint(resource.length), resource])
  }
  fc.assert(
    fc.property(exportsThatTell, choices, (request, by) => {
      const [span] = request.resourceSpans[0].scopeSpans[0].spans
      const plain = encoded(SpanType, { ...span, events: [], links: [] })
      const scrambled = scramble(SpanType, plain, by)
      const without = ({ attributes, ...record }: Record<string, unknown>) => [record, Object.entries(attributes as object).toSorted()]
      t.deepEqual(decode(wrap(scrambled)).map(without), decode(wrap(plain)).map(without))
    }),
    { numRuns: 400 },
  )
})

test('what a span tells of its call and ends does not depend on how many attributes are kept', t => {
  const decode = open()
  const decodeFew = open({ ...defaultLimits, attributes: 1 })
  const kept = new Set(['attributes', 'resource', 'discarded_attributes', 'events'])
  const told = (record: Record<string, unknown>) => Object.entries(record).filter(([name]) => !kept.has(name))
  fc.assert(
    fc.property(exportsThatTell, request => {
      const bytes = encoded(TraceRequest, request)
      t.deepEqual(decodeFew(bytes).map(told), decode(bytes).map(told))
    }),
    { numRuns: 400 },
  )
})

test('an export in OTLP/JSON gives the rows its protobuf gives, in camelCase and snake_case', t => {
  const decode = open()
  const shape = shapes.get('ExportTraceServiceRequest')!
  fc.assert(
    fc.property(traceExports, fc.boolean(), (request, snake) => {
      const bytes = encoded(TraceRequest, request)
      const json = Buffer.from(
        JSON.stringify(jsonOf(TraceRequest.toObject(TraceRequest.decode(bytes), { longs: String, bytes: Buffer }), snake)),
      )
      t.deepEqual(decode(encodeJson(json, shape)), decode(bytes))
    }),
    { numRuns: 300 },
  )
})

test('JSON of any shape is encoded or refused as undecodable', t => {
  const names = ['ExportTraceServiceRequest', 'ExportLogsServiceRequest', 'ExportMetricsServiceRequest'].map(name => shapes.get(name)!)
  const keys = fc.constantFrom(
    'resourceSpans',
    'scopeSpans',
    'spans',
    'attributes',
    'value',
    'stringValue',
    'intValue',
    'traceId',
    'kind',
    'x',
  )
  const value = fc.letrec(tie => ({
    any: fc.oneof(
      { depthSize: 'medium' },
      fc.jsonValue(),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(keys, tie('any'), { maxKeys: 4 }),
    ),
  })).any
  fc.assert(
    fc.property(value, fc.constantFrom(...names), (json, shape) => {
      attempt(t, () => encodeJson(Buffer.from(JSON.stringify(json) ?? 'null'), shape))
    }),
    { numRuns: 1000 },
  )
  for (const text of ['', '{', '[]', 'null', '{"resourceSpans":[{"scopeSpans":5}]}', '{"resourceSpans":'.repeat(5000)])
    t.throws(() => encodeJson(Buffer.from(text), names[0]), { instanceOf: UndecodableError }, text.slice(0, 60))
})

test('broken bytes throw nothing but UndecodableError, and no span but a whole one is written', t => {
  const decode = open()
  fc.assert(
    fc.property(
      traceExports,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 8 }),
      fc.nat(),
      (request, changes, cut) => {
        const bytes = encoded(TraceRequest, request)
        if (!bytes.length) return
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        attempt(t, () => decode(bytes))
        attempt(t, () => decode(bytes.subarray(0, cut % bytes.length)))
      },
    ),
    { numRuns: 1500 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
      attempt(t, () => decode(Buffer.from(bytes)))
    }),
    { numRuns: 1500 },
  )
})

test('lengths that lie take neither time nor memory', t => {
  const decode = open()
  const nested = (depth: number): Buffer => {
    let bytes: Buffer = Buffer.from([0x0a, 0])
    for (let i = 0; i < depth; i++) {
      const list = Buffer.concat([Buffer.from([0x0a]), varint(bytes.length), bytes])
      bytes = Buffer.concat([Buffer.from([0x2a]), varint(list.length), list])
    }
    return bytes
  }
  const deep = nested(2000)
  const value = Buffer.concat([Buffer.from([0x12]), varint(deep.length), deep])
  const pair = Buffer.concat([Buffer.from([0x4a]), varint(value.length), value])
  const ids = Buffer.concat([Buffer.from([0x0a, 16]), Buffer.alloc(16, 1), Buffer.from([0x12, 8]), Buffer.alloc(8, 1)])
  const span = Buffer.concat([ids, pair])
  const of = (inner: Buffer) => Buffer.concat([Buffer.from([0x12]), varint(inner.length), inner])
  const resource = of(of(span))
  const started = performance.now()
  const [record] = decode(Buffer.concat([Buffer.from([0x0a]), varint(resource.length), resource]))
  t.is((record.attributes as Record<string, string>)[''], '['.repeat(8) + 'null' + ']'.repeat(8))
  attempt(t, () => groupsOf(Buffer.from('0affffffff0f', 'hex')))
  attempt(t, () => groupsOf(Buffer.alloc(1 << 20, Buffer.from('0a04120212000a00', 'hex'))))
  t.true(performance.now() - started < 2000)
})

test('messages of other signals are no spans, and do no harm', t => {
  const decode = open()
  const log = encoded(LogsRequest, { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }] }] })
  const metric = encoded(MetricsRequest, {
    resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: 'x', gauge: { dataPoints: [{ asInt: 1 }] } }] }] }],
  })
  t.deepEqual([...decode(log), ...decode(metric)], [])
})

function attempt(t: { true(value: boolean, message?: string): void }, run: () => unknown): void {
  try {
    run()
  } catch (error) {
    t.true(error instanceof UndecodableError, String((error as Error).stack))
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128)
  return Buffer.from([...bytes, value])
}
