import test from 'ava'
import fc from 'fast-check'
import { Fields, type FieldName, fieldOf } from '../../../collectors/access_log/fields.ts'
import { compileFormat } from '../../../collectors/access_log/format.ts'
import { compileTime } from '../../../collectors/access_log/start-time.ts'
import { ConfigError } from '../../../runtime/error.ts'
import { context, readAll } from './reading.ts'

const mistakes: [format: string, message: string][] = [
  ['%REQ(:METHOD)', 'expected %OPERATOR%, %OPERATOR(…)% or %% at position 0'],
  ['a %b%', 'expected %OPERATOR%, %OPERATOR(…)% or %% at position 2'],
  ['%START_TIME%%PROTOCOL%', 'expected text between two operators at position 12'],
  ['100 %', 'expected %OPERATOR%, %OPERATOR(…)% or %% at position 4'],
  ['nothing', 'expected at least one %OPERATOR%'],
  ['x %START_TIME(%Q)%', 'position 2: the time has %Q at 0, which is not known'],
  [`%DURATION%${' '.repeat(20_000)}`, 'expected at most 16384 characters'],
]
for (const [format, message] of mistakes)
  test(`${JSON.stringify(format.slice(0, 40))} is refused with the place of the mistake`, t => {
    const error = t.throws(() => compileFormat(format, 'here'), { instanceOf: ConfigError })
    t.true(error.message.startsWith(`here: ${message}`), error.message)
  })

const operators: [written: string, field: FieldName | undefined, isNumber: boolean][] = [
  ['%REQ(:METHOD)%', 'method', false],
  ['%REQ(X-ENVOY-ORIGINAL-PATH?:PATH):40%', 'path', false],
  ['%PROTOCOL%', 'protocol', false],
  ['%RESPONSE_CODE%', 'response_code', true],
  ['%RESPONSE_FLAGS%', 'response_flags', false],
  ['%BYTES_SENT%', 'bytes_sent', true],
  ['%DURATION%', 'duration', true],
  ['%RESP(x-envoy-upstream-service-time)%', 'upstream_service_time', false],
  ['%TRAILER(GRPC-STATUS)%', 'grpc_status', false],
  ['%DOWNSTREAM_PEER_URI_SAN%', 'downstream_peer_uri_san', false],
  ['%UPSTREAM_PEER_URI_SAN%', 'upstream_peer_uri_san', false],
  ['%REQ(TRACEPARENT)%', 'traceparent', false],
  ['%ENVIRONMENT(POD_NAME)%', 'pod_name', false],
  ['%DYNAMIC_METADATA(envoy.lb:canary)%', undefined, false],
  ['%FILTER_STATE(wasm.upstream_peer:PLAIN)%', undefined, false],
  ['%REQ(X-TENANT)%', undefined, false],
  ['%NEW_OPERATOR_OF_TOMORROW%', undefined, false],
]
const separators = [' ', '" "', '] [', '|', '\t', ' — ', '100%%', ';']

const plain = (separator: string) => separator.replace('%%', '%')

/** A format of operators and texts, and what each operator printed: anything but the text that follows it. */
const printed = fc
  .record({
    picked: fc.uniqueArray(fc.nat({ max: operators.length - 1 }), { minLength: 1, maxLength: 8 }),
    separators: fc.array(fc.constantFrom(...separators), { minLength: 9, maxLength: 9 }),
    texts: fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), { minLength: 8, maxLength: 8 }),
    numbers: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
  })
  .map(({ picked, separators, texts, numbers }) => ({
    separators,
    parts: picked.map((index, at) => {
      const [written, field, isNumber] = operators[index]
      const next = plain(separators[at + 1])
      const text = texts[at].replaceAll('\n', '').replaceAll(next[0], '')
      return { written, field, text: isNumber ? String(numbers[at]) : text || 'x' }
    }),
  }))

test('what a format prints is read back', t => {
  fc.assert(
    fc.property(printed, ({ parts, separators }) => {
      const format = separators[0] + parts.map(({ written }, at) => written + separators[at + 1]).join('')
      const rendered = plain(separators[0]) + parts.map(({ text }, at) => text + plain(separators[at + 1])).join('')
      const fields = new Fields()
      t.true(compileFormat(format, 'it').scan(Buffer.from(rendered), fields), `${format}\n${rendered}`)
      const others = new Map(fields.others)
      for (const { written, field, text } of parts) {
        const expected = text === '-' ? '' : text
        t.is(field ? fields.text(fieldOf[field]) : (others.get(written.slice(1, -1)) ?? ''), expected)
      }
    }),
    { numRuns: 2000 },
  )
})

test('any line is scanned without an error, by any format', t => {
  fc.assert(
    fc.property(printed, fc.uint8Array({ maxLength: 100 }), ({ parts, separators }, bytes) => {
      const format = compileFormat(separators[0] + parts.map(({ written }, at) => written + separators[at + 1]).join(''), 'it')
      t.is(typeof format.scan(Buffer.from(bytes), new Fields()), 'boolean')
    }),
    { numRuns: 500 },
  )
})

const micros = Date.parse('2026-11-21T08:19:50.353Z') * 1000
const times: [format: string, text: string, micros: number][] = [
  ['%Y-%m-%dT%H:%M:%S.%3fZ', '2026-11-21T08:19:50.353Z', micros],
  ['%s.%3f', '1795249190.353', micros],
  ['%s', '1795249190', 1_795_249_190_000_000],
  ['%Y/%m/%dT%H:%M:%S%z %s', '2026/11/21T10:19:50+0200 1795249190', 1_795_249_190_000_000],
  ['%d/%b/%Y:%H:%M:%S %z', '21/Nov/2026:09:19:50 +0100', 1_795_249_190_000_000],
  ['%F %T.%f', '2026-11-21 08:19:50.353000', micros],
  ['%E4Y', '', NaN],
  ['%Y-%m-%dT%H:%M:%E3S', '2026-11-21T08:19:50.353', micros],
  ['%Y-%m-%dT%H:%M:%E*S', '2026-11-21T08:19:50.353', micros],
]
for (const [format, text, expected] of times)
  test(`the time ${format} is read`, t => {
    if (Number.isNaN(expected)) return t.throws(() => compileTime(format, 'here'), { instanceOf: ConfigError }) && undefined
    t.is(compileTime(format, 'here')(text), expected)
    return t.is(compileTime(format, 'here')(`${text}x`), NaN)
  })

test('lines in a format of the configuration become rows, with what is not known as attributes', t => {
  const format =
    '%START_TIME(%s.%3f)% %ENVIRONMENT(POD_NAMESPACE)%/%ENVIRONMENT(POD_NAME)% %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %DURATION%ms %UPSTREAM_CLUSTER% %UPSTREAM_HOST% tenant=%REQ(X-TENANT)% peer=%DOWNSTREAM_PEER_URI_SAN%'
  const line =
    '1795249190.353 shop/web-1 GET /a 200 12ms inbound|8080|| 10.0.0.9:8080 tenant=blue peer=spiffe://cluster.local/ns/shop/sa/cart,spiffe://b/x'
  const { requests } = readAll([line, line.replace('blue', '-')], { options: { formats: [format] } })
  t.like(requests[0], {
    time: micros + 12_000,
    reporter: 'shop/web-1',
    dst_pod: 'web-1',
    dst_namespace: 'shop',
    method: 'GET',
    path: '/a',
    status_code: 200,
    latency: 12_000_000,
    src_spiffe_id: 'spiffe://cluster.local/ns/shop/sa/cart',
    attributes: { 'REQ(X-TENANT)': 'blue' },
  })
  t.deepEqual(requests[1].attributes, {})
})

test('JSON in a format of the configuration is read by what its keys hold', t => {
  const json = {
    t: '%START_TIME(%s)%',
    what: '%REQ(:METHOD)% %REQ(:PATH)%',
    code: '%RESPONSE_CODE%',
    product: 'shop',
    net: { from: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%', to: '%UPSTREAM_HOST%', tenant: '%REQ(X-TENANT)%' },
  }
  const log = {
    t: '1795249190',
    what: 'GET /a b',
    code: 404,
    product: 'shop',
    net: { from: '10.0.0.7:1', to: '10.0.0.9:2', tenant: 'blue' },
  }
  const { requests, taken } = readAll([JSON.stringify(log), '{"unknown":1}'], { options: { json_formats: [json] } })
  t.is(taken, 1)
  t.like(requests[0], {
    time: 1_795_249_190_000_000,
    method: 'GET',
    path: '/a b',
    status_code: 404,
    src_address: '10.0.0.7',
    dst_port: 2,
    attributes: { 'net.tenant': 'blue' },
    source: context.source,
  })
  t.throws(() => readAll([], { options: { json_formats: [{ a: 5 as unknown as string }] } }), {
    message: 'json_formats.0.a: expected a format string or a mapping, got 5',
  })
  t.throws(() => readAll([], { options: { json_formats: [{ a: { b: '%X' } }] } }), { message: /^json_formats\.0\.a\.b: .* position 0$/ })
})
