import fc from 'fast-check'
import { names } from '../../../collectors/otlp/keys.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(array => Buffer.from(array))
const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.constantFrom(
    'proxy',
    '10.0.0.1',
    '[fd00::1]:80',
    '127.0.0.1:99999',
    'http://a:b@c.d.svc:80/e?f#g',
    '//',
    'http:',
    'sidecar~10.0.0.1~a.b~c',
    'outbound|80||a.b.svc.cluster.local',
    '443',
    '4294967296',
  ),
  fc.constantFrom('', 'GET', 'héllo', 'x'.repeat(127), 'y'.repeat(128), 'z'.repeat(300)),
)
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)

const anyValue = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ stringValue: text }),
    fc.record({ intValue: fc.oneof(fc.integer().map(String), int64) }),
    fc.record({ doubleValue: fc.double({ noNaN: false }) }),
    fc.record({ boolValue: fc.boolean() }),
    fc.record({ bytesValue: bytes(5) }),
    fc.constant({}),
    fc.record({ arrayValue: fc.record({ values: fc.array(tie('value'), { maxLength: 3 }) }) }),
    fc.record({
      kvlistValue: fc.record({
        values: fc.uniqueArray(fc.record({ key: fc.string({ maxLength: 5 }), value: tie('value') }), {
          maxLength: 3,
          selector: ({ key }) => key,
        }),
      }),
    }),
  ),
})).value as fc.Arbitrary<object>

const keys = fc.oneof(
  fc.constantFrom(...names),

  fc.constantFrom('http.route', 'thread.name', 'a', 'k8s.pod.name', 'service.name', 'ключ'),
  fc.string({ maxLength: 30 }),
)
const pairs = fc.uniqueArray(fc.record({ key: keys, value: anyValue }), { maxLength: 6, selector: ({ key }) => key })
/** Attributes that are read for what they tell, most of them texts, and as long as may be. */
const tellingPairs = fc.uniqueArray(
  fc.record({
    key: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...names) }, keys),
    value: fc.oneof({ weight: 4, arbitrary: fc.record({ stringValue: text }) }, anyValue),
  }),
  { maxLength: 12, selector: ({ key }) => key },
)
const nanos = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)
const times = fc.oneof(nanos, fc.bigInt({ min: 1_700_000_000_000_000_000n, max: 1_900_000_000_000_000_000n }).map(String))
const count = fc.nat({ max: 100 })

const spanWith = (attributes: typeof pairs) =>
  fc.record({
    traceId: bytes(16),
    spanId: bytes(8),
    traceState: fc.constantFrom('', 'a=b', 'ot=th:8'),
    parentSpanId: fc.oneof(bytes(8), fc.constant(Buffer.alloc(0)), fc.constant(Buffer.alloc(8))),
    name: text,
    kind: fc.nat({ max: 7 }),
    startTimeUnixNano: times,
    endTimeUnixNano: times,
    attributes,
    droppedAttributesCount: count,
    events: fc.array(fc.record({ timeUnixNano: nanos, name: text, attributes: pairs }), { maxLength: 2 }),
    droppedEventsCount: count,
    links: fc.array(fc.record({ traceId: bytes(16), spanId: bytes(8) }), { maxLength: 2 }),
    droppedLinksCount: count,
    status: fc.record({ message: text, code: fc.nat({ max: 4 }) }),
    flags: fc.nat(),
  })

const exportsOf = (attributes: typeof pairs) =>
  fc.record({
    resourceSpans: fc.array(
      fc.record({
        resource: fc.record({ attributes: pairs }),
        scopeSpans: fc.array(
          fc.record({
            scope: fc.record({ name: fc.string({ maxLength: 10 }) }),
            spans: fc.array(spanWith(attributes), { minLength: 1, maxLength: 3 }),
          }),
          { minLength: 1, maxLength: 2 },
        ),
      }),
      { minLength: 1, maxLength: 2 },
    ),
  })

/** Exports of traces, as plain objects. */
export const traceExports = exportsOf(pairs)
/** Whose spans say much of the call and its ends. */
export const exportsThatTell = exportsOf(tellingPairs)
