import { gzipSync } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { readJson } from '../../../collectors/zipkin/json.ts'
import { readProto } from '../../../collectors/zipkin/proto.ts'
import { zipkin } from '../../../collectors/zipkin/source.ts'
import { translate } from '../../../collectors/zipkin/translate.ts'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { deadLetters, published, start } from '../hubble/running.ts'
import { fixture, said, takenTraces } from '../otlp/collecting.ts'

// zipkin.proto3, what is read of it.
const { root } = protobuf.parse(`
syntax = "proto3";
message ListOfSpans { repeated Span spans = 1; }
message Span {
  bytes trace_id = 1; bytes parent_id = 2; bytes id = 3; int32 kind = 4; string name = 5; fixed64 timestamp = 6; uint64 duration = 7;
  Endpoint local_endpoint = 8; Endpoint remote_endpoint = 9; repeated Annotation annotations = 10; map<string, string> tags = 11;
  bool debug = 12; bool shared = 13;
}
message Endpoint { string service_name = 1; bytes ipv4 = 2; bytes ipv6 = 3; int32 port = 4; }
message Annotation { fixed64 timestamp = 1; string value = 2; }`)
const ListOfSpans = root.lookupType('ListOfSpans')
const protoKinds = ['', 'CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER']

// eslint-disable-next-line typescript/no-explicit-any
type Plain = Record<string, any>

const ipv4Of = (text?: string) => (text ? Buffer.from(text.split('.').map(Number)) : Buffer.alloc(0))
/** Of the fixtures: ::1 is the only one. */
const ipv6Of = (text?: string) => (text ? Buffer.concat([Buffer.alloc(15), Buffer.from([1])]) : Buffer.alloc(0))
const endpointOf = (endpoint?: Plain) =>
  endpoint && { serviceName: endpoint.serviceName, ipv4: ipv4Of(endpoint.ipv4), ipv6: ipv6Of(endpoint.ipv6), port: endpoint.port }

/** The same list of spans in protobuf. */
function protoOf(spans: Plain[]): Buffer {
  const list = spans.map(span => ({
    ...span,
    traceId: Buffer.from(span.traceId, 'hex'),
    parentId: Buffer.from(span.parentId ?? '', 'hex'),
    id: Buffer.from(span.id, 'hex'),
    kind: Math.max(0, protoKinds.indexOf(span.kind ?? '')),
    localEndpoint: endpointOf(span.localEndpoint),
    remoteEndpoint: endpointOf(span.remoteEndpoint),
  }))
  return Buffer.from(ListOfSpans.encode(ListOfSpans.fromObject({ spans: list })).finish())
}

/** Rows without the order of their attributes, which a map has not, and without the time of those that say none. */
const sorted = (rows: Record<string, unknown>[]) =>
  rows.map(row => ({
    ...said(row),
    time: row.time === row.received ? 'received' : row.time,
    attributes: Object.entries(row.attributes as object).toSorted(),
  }))

const client = {
  traceId: '5aab74dbb904746b',
  id: 'b33447baae403ed6',
  parentId: '1',
  kind: 'CLIENT',
  name: 'get /cart',
  timestamp: 1_790_000_000_123_456,
  duration: 2500,
  localEndpoint: { serviceName: 'frontend', ipv4: '10.0.0.1', port: 4000 },
  remoteEndpoint: { serviceName: 'cart', ipv4: '10.0.0.2', port: 80 },
  tags: { 'http.method': 'GET', 'http.path': '/cart', 'http.status_code': '500', error: 'failed' },
  annotations: [{ timestamp: 1_790_000_000_123_500, value: 'wire send' }],
}

test('a span of a client: ids of 64 bits, microseconds, both ends, tags and annotations', async t => {
  const { spans } = await takenTraces([translate(readJson(Buffer.from(JSON.stringify([client]))))], { source: 'zipkin' })
  t.deepEqual(said(spans[0]), {
    time: client.timestamp,
    source: 'zipkin',
    reporter: 'frontend',
    reporter_kind: 'application',
    trace_id: '00000000000000005aab74dbb904746b',
    span_id: 'b33447baae403ed6',
    parent_span_id: '0000000000000001',
    kind: 'client',
    name: 'get /cart',
    service_name: 'frontend',
    duration: 2_500_000,
    status: 'error',
    protocol: 'http',
    method: 'GET',
    path: '/cart',
    status_code: 500,
    peer_service: 'cart',
    attributes: {
      ...client.tags,
      'net.host.ip': '10.0.0.1',
      'net.host.port': '4000',
      'peer.service': 'cart',
      'net.peer.ip': '10.0.0.2',
      'net.peer.port': '80',
    },
    resource: { 'service.name': 'frontend' },
    events: ['{"time":"2026-09-21T14:13:20.123500000Z","name":"wire send"}'],
    weight: 1,
    src_address: '10.0.0.1',
    dst_address: '10.0.0.2',
    dst_port: 80,
  })
})

test('the half of a server that shares the client’s id is a span of its own', async t => {
  const server = { ...client, kind: 'SERVER', shared: true, localEndpoint: client.remoteEndpoint, remoteEndpoint: client.localEndpoint }
  const { spans } = await takenTraces([translate(readJson(Buffer.from(JSON.stringify([client, server]))))])
  t.is(spans[0].span_id, spans[1].span_id)
  t.deepEqual(
    spans.map(row => [row.kind, row.service_name, row.src_address, row.dst_address, row.dst_port]),
    [
      ['client', 'frontend', '10.0.0.1', '10.0.0.2', 80],
      ['server', 'cart', '10.0.0.1', '10.0.0.2', 80],
    ],
  )
  t.is((spans[1].attributes as Record<string, string>)['zipkin.shared'], 'true')
})

const recorded: Record<string, number> = {
  'ascend.json': 8,
  'envoy.json': 1,
  'messaging-kafka.json': 28,
  'messaging.json': 4,
  'simple-db-p6.json': 5,
  'skew.json': 4,
  'smartthings-oauth-authorization.json': 175,
  'yelp.json': 16,
}
for (const [name, count] of Object.entries(recorded))
  test(`${name}: ${count} spans, the same in JSON and protobuf`, async t => {
    const body = fixture(`zipkin/${name}`)
    if (!body) {
      t.log('skipped: no fixtures')
      return t.pass()
    }
    // Who made the addresses unrecognisable wrote some with a zero in front, which four bytes cannot say.
    const text = body.toString('utf8').replaceAll(/(?<=\d\.)0(?=\d")/g, '')
    const json = await takenTraces([translate(readJson(Buffer.from(text)))])
    t.is(json.spans.length, count)
    const proto = await takenTraces([translate(readProto(protoOf(JSON.parse(text))))])
    t.deepEqual(sorted(proto.spans), sorted(json.spans))
  })

test('Envoy’s span of Zipkin is a proxy’s', async t => {
  const body = fixture('zipkin/envoy.json')
  if (!body) {
    t.log('skipped: no fixtures')
    return t.pass()
  }
  const { spans } = await takenTraces([translate(readJson(body))])
  t.like(spans[0], {
    layer: 'l7_proxy',
    kind: 'server',
    protocol: 'http',
    host: 'www.google.com',
    path: '/',
    status_code: 200,
    request_id: 'd709b78f-583e-988e-b581-25b72c63852d',
    dst_address: '169.254.65.45',
  })
})

test('takes spans over HTTP in both forms, compressed too, and refuses what is none', async t => {
  await using running = await openTestBus()
  await using source = start(zipkin, { port: 0 }, running.bus)
  await until('the port', () => source.statuses.length > 0)
  const { port } = source.statuses[0].detail as { port: number }
  const post = (body: Buffer | string, headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${port}/api/v2/spans`, { method: 'POST', body: body as string, headers })
  const json = JSON.stringify([client, { ...client, id: '2' }])
  const other = JSON.stringify([client, { ...client, id: '3' }])
  const sent: [Buffer | string, Record<string, string>][] = [
    [json, { 'content-type': 'application/json' }],
    [gzipSync(other), { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
    [protoOf([client]), { 'content-type': 'application/x-protobuf' }],
  ]
  for (const [body, headers] of sent) t.is((await post(body, headers)).status, 202)
  t.is((await published(running.bus, 'span')).length, 5)
  for (const [body, headers] of sent) t.is((await post(body, headers)).status, 202)
  t.is((await published(running.bus, 'span')).length, 5)
  t.is(source.discarded.get('repeated'), 3)
  const partly = await post(JSON.stringify([client, { ...client, traceId: 'none' }]), {})
  t.is(partly.status, 202)
  t.regex(await partly.text(), /^1 spans were not taken: /)
  for (const body of ['{}', '[3]', 'x', '[{"tags":3}]', '[{"timestamp":-1}]', '[{"duration":{"toString":1,"valueOf":1}}]'])
    t.is((await post(body, {})).status, 400, body)
  t.is((await post('x', { 'content-type': 'application/x-protobuf' })).status, 400)
  t.is(source.discarded.get('undecodable'), 8)
  await until('the dead letters', async () => (await deadLetters(running.bus)).length === 8)
})

test('any bytes are spans or undecodable', t => {
  const whole = protoOf([client, { ...client, shared: true }])
  const attempt = (read: () => unknown) => {
    try {
      read()
    } catch (error) {
      t.true(error instanceof UndecodableError, String((error as Error).stack))
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), fc.nat({ max: 255 }), fc.jsonValue(), (bytes, at, byte, value) => {
      attempt(() => translate(readProto(Buffer.from(bytes))))
      const changed = Buffer.from(whole)
      changed[at % whole.length] = byte
      attempt(() => translate(readProto(changed)))
      attempt(() => translate(readProto(whole.subarray(0, at % whole.length))))
      attempt(() => translate(readJson(Buffer.from(JSON.stringify([value])))))
      attempt(() => translate(readJson(Buffer.from(JSON.stringify([{ ...client, [Object.keys(client)[at % 11]]: value }])))))
    }),
    { numRuns: 1000 },
  )
})

test('a kind that is none, even a word of JavaScript’s, is an internal span', async t => {
  for (const kind of ['constructor', '__proto__', 'toString', 'client']) {
    const { spans } = await takenTraces([translate(readJson(Buffer.from(JSON.stringify([{ ...client, kind }]))))])
    t.is(spans[0].kind, 'internal', kind)
  }
})
