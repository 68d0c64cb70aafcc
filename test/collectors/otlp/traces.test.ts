import test from 'ava'
import { encodeJson } from '../../../collectors/otlp/json.ts'
import { shapes } from '../../../collectors/otlp/shapes.ts'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import { fixture, framed, said, takenTraces } from './collecting.ts'
import { TraceRequest, attributes, encoded } from './proto.ts'

const shape = shapes.get('ExportTraceServiceRequest')!
const traceId = Buffer.from('3ba55609c3cde49649cd77d1f9dcd936', 'hex')
const spanId = Buffer.from('49cd77d1f9dcd936', 'hex')
const start = 1_790_000_000_123_456_789n

type Pairs = Parameters<typeof attributes>[0]

/** An export of one span. */
const exportOf = (pairs: Pairs, { resource = {}, ...span }: Record<string, unknown> & { resource?: Pairs } = {}) =>
  encoded(TraceRequest, {
    resourceSpans: [
      {
        resource: { attributes: attributes(resource) },
        scopeSpans: [
          {
            scope: { name: 'test' },
            spans: [
              {
                traceId,
                spanId,
                name: 'a',
                kind: 3,
                startTimeUnixNano: String(start),
                endTimeUnixNano: String(start + 1500n),
                attributes: attributes(pairs),
                ...span,
              },
            ],
          },
        ],
      },
    ],
  })

async function oneSpan(pairs: Pairs, more: Parameters<typeof exportOf>[1] = {}) {
  const { spans } = await takenTraces([exportOf(pairs, more)])
  return said(spans[0])
}

test('a span is written with its ids, times, status, events, links and what the sender left out', async t => {
  const span = await oneSpan(
    { a: 'b', count: 3, ratio: 0.5, ok: true, list: { arrayValue: { values: [{ stringValue: 'x' }, { intValue: 2 }] } } },
    {
      traceState: 'rojo=1,ot=th:c',
      parentSpanId: Buffer.from('0102030405060708', 'hex'),
      droppedAttributesCount: 1,
      droppedEventsCount: 2,
      status: { code: 2, message: 'it broke' },
      events: [{ timeUnixNano: String(start), name: 'exception', attributes: attributes({ 'exception.type': 'Error' }) }],
      links: [{ traceId, spanId }],
      resource: { 'service.name': 'shop', 'host.name': 'vm-1' },
    },
  )
  t.deepEqual(span, {
    time: 1_790_000_000_123_456,
    source: 'otlp',
    reporter: 'vm-1',
    reporter_kind: 'application',
    trace_id: traceId.toString('hex'),
    span_id: spanId.toString('hex'),
    parent_span_id: '0102030405060708',
    trace_state: 'rojo=1,ot=th:c',
    kind: 'client',
    name: 'a',
    service_name: 'shop',
    scope: 'test',
    duration: 1500,
    status: 'error',
    status_message: 'it broke',
    attributes: { a: 'b', count: '3', ratio: '0.5', ok: 'true', list: '["x",2]' },
    resource: { 'service.name': 'shop', 'host.name': 'vm-1' },
    events: ['{"time":"2026-09-21T14:13:20.123456789Z","name":"exception","attributes":{"exception.type":"Error"}}'],
    links: [`${traceId.toString('hex')}/${spanId.toString('hex')}`],
    discarded_attributes: 3,
    weight: 4,
  })
})

const pod = {
  'service.name': 'cart',
  'k8s.cluster.name': 'prod',
  'k8s.namespace.name': 'shop',
  'k8s.pod.name': 'cart-5d8f-x2',
  'k8s.pod.ip': '10.1.0.7',
  'k8s.deployment.name': 'cart',
  'k8s.node.name': 'node-3',
}
const ownEnd = (prefix: string) => ({
  [`${prefix}address`]: '10.1.0.7',
  [`${prefix}cluster`]: 'prod',
  [`${prefix}namespace`]: 'shop',
  [`${prefix}pod`]: 'cart-5d8f-x2',
  [`${prefix}workload`]: 'cart',
  [`${prefix}workload_kind`]: 'Deployment',
  [`${prefix}node`]: 'node-3',
})

/** Attributes, kind of the span, and what they become. */
const calls: Record<string, [Pairs, number, Record<string, unknown>]> = {
  'a server of HTTP, by today’s names': [
    {
      'http.request.method': 'GET',
      'url.path': '/cart',
      'url.query': 'id=1',
      'http.route': '/cart',
      'http.response.status_code': 200,
      'server.address': 'cart.example',
      'server.port': 8080,
      'network.peer.address': '10.1.0.9',
      'network.peer.port': 40000,
      'client.address': '203.0.113.9',
    },
    2,
    {
      protocol: 'http',
      method: 'GET',
      path: '/cart?id=1',
      route: '/cart',
      status_code: 200,
      host: 'cart.example',
      src_address: '10.1.0.9',
      src_port: 40000,
      dst_port: 8080,
    },
  ],
  'a server of HTTP, by the names before 2023': [
    {
      'http.method': 'POST',
      'http.target': '/cart?x=1',
      'http.status_code': 404,
      'http.host': 'cart:80',
      'net.peer.ip': '10.1.0.9',
      'net.host.port': 8080,
    },
    2,
    { protocol: 'http', method: 'POST', path: '/cart?x=1', status_code: 404, host: 'cart:80', src_address: '10.1.0.9', dst_port: 8080 },
  ],
  'a server behind a proxy on its own machine': [
    { 'http.request.method': 'GET', 'network.peer.address': '127.0.0.6', 'client.address': '10.1.0.9' },
    2,
    { protocol: 'http', method: 'GET', src_address: '10.1.0.9' },
  ],
  'a client of HTTP': [
    {
      'http.request.method': 'GET',
      'url.full': 'http://user@stock.shop.svc.cluster.local:8080/items?id=1',
      'http.response.status_code': '503',
      'network.peer.address': '10.1.0.5',
      'network.peer.port': 8080,
    },
    3,
    {
      protocol: 'http',
      method: 'GET',
      path: '/items?id=1',
      host: 'stock.shop.svc.cluster.local:8080',
      status_code: 503,
      dst_address: '10.1.0.5',
      dst_port: 8080,
      dst_service: 'shop/stock',
      dst_dns_name: 'stock.shop.svc.cluster.local',
    },
  ],
  'a client that knows a name only': [
    {
      'http.request.method': 'GET',
      'url.full': 'https://api.example/x',
      'server.address': 'api.example',
      'server.port': 443,
      'peer.service': 'payments',
    },
    3,
    {
      protocol: 'http',
      method: 'GET',
      path: '/x',
      host: 'api.example',
      dst_port: 443,
      dst_dns_name: 'api.example',
      peer_service: 'payments',
    },
  ],
  'gRPC, by the old names': [
    { 'rpc.system': 'grpc', 'rpc.service': 'shop.Cart', 'rpc.method': 'Get', 'rpc.grpc.status_code': 14 },
    3,
    { protocol: 'grpc', method: 'Get', path: '/shop.Cart/Get', status_code: 14 },
  ],
  'gRPC, by the new ones': [
    { 'rpc.system.name': 'grpc', 'rpc.method': 'shop.Cart/Get', 'rpc.response.status_code': 'UNAVAILABLE' },
    3,
    { protocol: 'grpc', method: 'Get', path: '/shop.Cart/Get', status_code: 14 },
  ],
  'a database that speaks SQL': [
    { 'db.system.name': 'postgresql', 'db.operation.name': 'SELECT', 'server.address': '10.9.0.1', 'server.port': 5432 },
    3,
    { protocol: 'sql', method: 'SELECT', host: '10.9.0.1', dst_address: '10.9.0.1', dst_port: 5432 },
  ],
  'one that does not': [{ 'db.system': 'redis', 'db.operation': 'GET' }, 3, { protocol: 'database', method: 'GET' }],
  Kafka: [{ 'messaging.system': 'kafka', 'messaging.operation.type': 'send' }, 4, { protocol: 'kafka', method: 'send' }],
  'another queue': [{ 'messaging.system': 'rabbitmq', 'messaging.operation': 'receive' }, 5, { protocol: 'messaging', method: 'receive' }],
  'a name that is looked up': [{ 'dns.question.name': 'a.example' }, 3, { protocol: 'dns' }],
  'nothing of the network': [{ 'thread.name': 'main' }, 1, {}],
}
const kindNames = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']

for (const [title, [pairs, kind, expected]] of Object.entries(calls))
  test(`what a span says of its call and its ends: ${title}`, async t => {
    const span = await oneSpan(pairs, { kind, resource: pod })
    const isServer = kind === 2 || kind === 5
    for (const name of ['time', 'source', 'trace_id', 'span_id', 'attributes', 'resource', 'weight', 'name', 'scope', 'duration', 'status'])
      delete span[name]
    t.deepEqual(span, {
      reporter: 'shop/cart-5d8f-x2',
      reporter_kind: 'application',
      cluster: 'prod',
      service_name: 'cart',
      kind: kindNames[kind],
      ...ownEnd(isServer ? 'dst_' : 'src_'),
      ...expected,
    })
  })

const weights: Record<string, number> = {
  '': 1,
  'ot=th:0': 1,
  'ot=th:8': 2,
  'ot=rv:123;th:c': 4,
  'a=b, ot=th:fd70a3d70a3d71': 100,
  'ot=p:3;r:10': 8,
  'ot=p:63': 1,
  'ot=th:zz': 1,
  'other=th:8': 1,
}
for (const [traceState, weight] of Object.entries(weights))
  test(`tracestate ${JSON.stringify(traceState)} means a weight of ${weight}`, async t => {
    const span = await oneSpan({}, { traceState })
    t.true(Math.abs((span.weight as number) - weight) < 1e-9 * weight)
  })

test('a waypoint is neither end: they are whom Istio names', async t => {
  const span = await oneSpan(
    {
      component: 'proxy',
      node_id: 'waypoint~10.244.0.28~waypoint-5b7c-55jwk.bookinfo~bookinfo.svc.cluster.local',
      'upstream_cluster.name': 'inbound-vip|9080|http|reviews.bookinfo.svc.cluster.local',
      'istio.source_workload': 'productpage-v1',
      'istio.source_namespace': 'bookinfo',
      'istio.destination_workload': 'reviews-v1',
      'istio.destination_namespace': 'bookinfo',
      'istio.destination_cluster_id': 'Kubernetes',
      'istio.cluster_id': 'Kubernetes',
      'peer.address': '10.244.0.25',
    },
    { kind: 2 },
  )
  t.like(span, {
    reporter: 'bookinfo/waypoint-5b7c-55jwk',
    reporter_kind: 'waypoint',
    layer: 'l7_proxy',
    cluster: 'Kubernetes',
    src_workload: 'productpage-v1',
    src_namespace: 'bookinfo',
    src_address: '10.244.0.25',
    dst_workload: 'reviews-v1',
    dst_namespace: 'bookinfo',
    dst_cluster: 'Kubernetes',
    dst_service: 'bookinfo/reviews',
    dst_port: 9080,
  })
  t.is(span.dst_pod, undefined)
  t.is(span.dst_address, undefined)
})

test('Linkerd’s proxies are known by the name they go by', async t => {
  const span = await oneSpan(
    {},
    { resource: { 'service.name': 'linkerd-proxy', 'k8s.pod.name': 'web-1', 'k8s.namespace.name': 'emojivoto' } },
  )
  t.like(span, { reporter: 'emojivoto/web-1', reporter_kind: 'sidecar', layer: 'l7_proxy', src_pod: 'web-1' })
})

test('a flow of Mermin is a flow for each direction that had packets', async t => {
  const pairs = {
    'flow.community_id': '1:a962MiVftHsve9ogcQKeY0/p9bc=',
    'network.type': 'ipv4',
    'network.transport': 'tcp',
    'source.address': '10.244.2.4',
    'source.port': 40000,
    'destination.address': '10.244.1.9',
    'destination.port': 8080,
    'flow.bytes.delta': 1500,
    'flow.packets.delta': 3,
    'flow.reverse.bytes.delta': 900,
    'flow.reverse.packets.delta': 2,
    'flow.end_reason': 'idle timeout',
    'flow.tcp.flags.bits': 18,
    'flow.tcp.rndtrip.latency': 120000,
    'network.interface.name': 'veth1',
    'source.k8s.namespace.name': 'shop',
    'source.k8s.pod.name': 'frontend-1',
    'source.k8s.deployment.name': 'frontend',
    'source.k8s.node.name': 'node-1',
    'destination.k8s.namespace.name': 'shop',
    'destination.k8s.service.name': 'cart',
  }
  const both = await takenTraces([exportOf(pairs, { name: 'flow_ipv4_tcp', kind: 1, resource: { 'host.name': 'node-1' } })])
  t.is(both.spans.length, 0)
  t.is(both.flows.length, 2)
  const common = {
    source: 'otlp',
    reporter: 'node-1',
    reporter_kind: 'node',
    layer: 'kernel',
    type: 'l3_l4',
    event: 'trace',
    verdict: 'forwarded',
    protocol: 'tcp',
    ip_version: 4,
    tcp_flags: 18,
    interface: 'veth1',
    connection_id: '1:a962MiVftHsve9ogcQKeY0/p9bc=',
    end_reason: 'idle_timeout',
    round_trip: 120000,
    duration: 1500,
  }
  t.like(both.flows[0], {
    ...common,
    is_reply: 'no',
    bytes: 1500,
    packets: 3,
    src_address: '10.244.2.4',
    src_port: 40000,
    src_namespace: 'shop',
    src_pod: 'frontend-1',
    src_workload: 'frontend',
    src_workload_kind: 'Deployment',
    src_node: 'node-1',
    dst_address: '10.244.1.9',
    dst_port: 8080,
    dst_service: 'shop/cart',
  })
  t.like(both.flows[1], {
    ...common,
    is_reply: 'yes',
    bytes: 900,
    packets: 2,
    src_service: 'shop/cart',
    src_port: 8080,
    dst_pod: 'frontend-1',
  })
  const one = await takenTraces([exportOf({ ...pairs, 'flow.reverse.bytes.delta': 0, 'flow.reverse.packets.delta': 0 })])
  t.deepEqual(
    one.flows.map(({ is_reply }) => is_reply),
    ['no'],
  )
})

test('what is over the limits is discarded, counted, and said on the span', async t => {
  const pairs = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`key-${i}`, 'é'.repeat(40)]))
  const deep = { arrayValue: { values: [{ arrayValue: { values: [{ arrayValue: { values: [{ stringValue: 'x' }] } }] } }] } }
  const limits = { attributes: 5, value_bytes: 21, events: 1, links: 1, depth: 2 }
  const link = { traceId, spanId }
  const exports = [
    exportOf({ ...pairs }, { events: [{ name: 'a' }, { name: 'b' }], links: [link, link, link] }),
    exportOf({ deep, fits: 'x'.repeat(21) }),
  ]
  const { spans, discarded } = await takenTraces(exports, { limits })
  t.deepEqual(spans[0].attributes, Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`key-${i}`, 'é'.repeat(9) + '…'])))
  t.is((spans[0].events as string[]).length, 1)
  t.is((spans[0].links as string[]).length, 1)
  t.is(spans[0].discarded_attributes, 5 + 5 + 1 + 2)
  t.deepEqual(spans[1].attributes, { deep: '[[null]]', fits: 'x'.repeat(21) })
  t.is(spans[1].discarded_attributes, 1)
  t.deepEqual([...discarded], [['over_limit', 14]])
})

test('a span that cannot be read is rejected alone; an export that cannot be read, whole', async t => {
  const good = exportOf({ a: 'b' })
  const bad = exportOf({}, { traceId: Buffer.alloc(3) })
  // The name of the span says it is longer than the span.
  const broken = exportOf({}, { name: 'nnnn' })
  broken[broken.indexOf('nnnn') - 1] = 120
  const { spans, outcomes, discarded, letters } = await takenTraces([good, bad, broken, good])
  t.is(spans.length, 2)
  t.deepEqual(
    outcomes.map(({ rejected }) => rejected),
    [0, 1, 1, 0],
  )
  t.is(outcomes[1].message, 'a span has no trace id of 16 bytes or no span id of 8')
  t.deepEqual([...discarded], [['undecodable', 2]])
  t.is(letters.length, 2)
  await t.throwsAsync(takenTraces([good.subarray(0, good.length - 3)]), { instanceOf: UndecodableError })
})

test('an export larger than a block fills several', async t => {
  const span = (i: number) => ({ traceId, spanId, name: `n${i}`, startTimeUnixNano: String(start), attributes: attributes({ i }) })
  const spans = Array.from({ length: 1000 }, (_, i) => span(i))
  const whole = encoded(TraceRequest, { resourceSpans: [{ scopeSpans: [{ spans }] }] })
  const taken = await takenTraces([whole, whole], { rowsPerBlock: 64 })
  t.is(taken.spans.length, 2000)
  t.deepEqual(
    taken.spans.map(({ name, attributes: of }) => [name, (of as { i: string }).i]),
    [...spans, ...spans].map((_, i) => [`n${i % 1000}`, String(i % 1000)]),
  )
})

test('a span without a time, or with one no clock has, began when it was received', async t => {
  for (const startTimeUnixNano of [0, '18446744073709551615']) {
    const { spans } = await takenTraces([exportOf({}, { startTimeUnixNano, endTimeUnixNano: 0 })])
    t.is(spans[0].time, spans[0].received)
    t.is(spans[0].duration, 0)
  }
})

const recorded: Record<string, number> = {
  'otlp/kiali-istio-bookinfo.otlp.json': 8,
  'otlp/jaeger/otel_traces_01.json': 4,
  'otlp/jaeger/otlp2jaeger-in.json': 2,
  'otlp/otel-proto-examples/trace.json': 1,
}
for (const [name, count] of Object.entries(recorded))
  test(`${name}: ${count} spans, and the same by way of protobufjs`, async t => {
    const body = fixture(name)
    if (!body) return void (t.log('skipped: no fixtures'), t.pass())
    const ours = encodeJson(body, shape)
    const { spans, outcomes } = await takenTraces([ours])
    t.is(spans.length, count)
    t.is(outcomes[0].rejected, 0)
    const theirs = await takenTraces([Buffer.from(TraceRequest.encode(TraceRequest.decode(ours)).finish())])
    t.deepEqual(theirs.spans.map(said), spans.map(said))
  })

test('the Bookinfo trace is the same in JSON and protobuf', async t => {
  const [json, proto] = [fixture('otlp/kiali-istio-bookinfo.otlp.json'), fixture('otlp/kiali-istio-bookinfo.ExportTraceServiceRequest.bin')]
  if (!json || !proto) return void (t.log('skipped: no fixtures'), t.pass())
  const { spans } = await takenTraces([proto])
  t.is(spans.length, 8)
  t.deepEqual((await takenTraces([encodeJson(json, shape)])).spans.map(said), spans.map(said))
  const edges = spans.map(row => [row.reporter_kind, row.kind, row.src_pod || row.src_address, row.dst_pod || row.dst_service])
  t.deepEqual(edges, [
    ['gateway', 'client', 'istio-ingressgateway-79788cd94-wgmsp', 'bookinfo/productpage'],
    ['sidecar', 'server', '10.244.0.14', 'productpage-v1-6f89b6c557-sg2bc'],
    ['sidecar', 'client', 'productpage-v1-6f89b6c557-sg2bc', 'bookinfo/reviews'],
    ['sidecar', 'client', 'productpage-v1-6f89b6c557-sg2bc', 'bookinfo/details'],
    ['sidecar', 'server', '10.244.0.25', 'details-v1-7745b6fcf4-mrz75'],
    ['sidecar', 'server', '10.244.0.25', 'reviews-v2-6f76498fc8-58wpn'],
    ['sidecar', 'client', 'reviews-v2-6f76498fc8-58wpn', 'bookinfo/ratings'],
    ['sidecar', 'server', '10.244.0.23', 'ratings-v1-77bdbf89bb-qd48j'],
  ])
})

test('a dump of Tempo, with ids in base64 and names for kinds, gives the Bookinfo trace too', async t => {
  const body = fixture('traces-envoy-istio/kiali-jaeger-responseTrace.json')
  const proto = fixture('otlp/kiali-istio-bookinfo.ExportTraceServiceRequest.bin')
  if (!body || !proto) return void (t.log('skipped: no fixtures'), t.pass())
  const { batches } = JSON.parse(body.toString('utf8')) as { batches: unknown[] }
  const { spans } = await takenTraces([encodeJson(Buffer.from(JSON.stringify({ resourceSpans: batches })), shape)])
  t.deepEqual(spans.map(said), (await takenTraces([proto])).spans.map(said))
})

test('Envoy 1.40: 209 spans, 120 of the client’s proxy and 89 of the server’s', async t => {
  const bytes = fixture('envoy-rig/single/otlp_traces.bin.gz')
  if (!bytes) return void (t.log('skipped: no fixtures'), t.pass())
  const { spans, received, discarded } = await takenTraces(framed(bytes))
  t.deepEqual([...received], [['span', 209]])
  t.is(discarded.size, 0)
  const count = (name: string) =>
    Object.fromEntries(Object.entries(Object.groupBy(spans, row => String(row[name]))).map(([key, rows]) => [key, rows!.length]))
  t.deepEqual(count('kind'), { server: 89, client: 120 })
  t.deepEqual(count('reporter_kind'), { sidecar: 209 })
  t.deepEqual(count('layer'), { l7_proxy: 209 })
  t.deepEqual(count('cluster'), { Kubernetes: 209 })
  t.true(spans.every(row => row.request_id !== '' && row.protocol !== '' && row.path !== ''))
  t.true(spans.filter(row => row.kind === 'server').every(row => row.dst_pod === 'backend-7c8d9f6b5-k9m2p' && row.dst_namespace === 'shop'))
  t.true(spans.filter(row => row.kind === 'client').every(row => row.src_pod === 'frontend-6d5f4c9b7d-x2x4q'))
})

test('what Envoy sends is the same as protojson', async t => {
  const [lines, bytes] = [fixture('envoy-rig/decoded/otlp_traces-first.jsonl'), fixture('envoy-rig/single/otlp_traces.bin.gz')]
  if (!lines || !bytes) return void (t.log('skipped: no fixtures'), t.pass())
  const json = lines
    .toString('utf8')
    .trim()
    .split('\n')
    .map(line => encodeJson(Buffer.from(line), shape))
  const first = await takenTraces(framed(bytes).slice(0, json.length))
  t.deepEqual((await takenTraces(json)).spans.map(said), first.spans.map(said))
})

test('ambient Istio: spans of gateway, waypoint and sidecars by what their node’s id says', async t => {
  const body = fixture('traces-envoy-istio/kiali-jaeger-responseAmbient.json')
  if (!body) return void (t.log('skipped: no fixtures'), t.pass())
  interface Found {
    spanID: string
    name: string
    attributes: { key: string; value: { stringValue: string } }[]
  }
  const { traces } = JSON.parse(body.toString('utf8')) as { traces: { traceID: string; spanSet: { spans: Found[] } }[] }
  const list = traces.flatMap(({ traceID, spanSet }) =>
    spanSet.spans.map(({ spanID, name, attributes: of }) => ({
      traceId: Buffer.from(traceID.padStart(32, '0'), 'hex'),
      spanId: Buffer.from(spanID.padStart(16, '0'), 'hex'),
      name,
      kind: 2,
      attributes: of,
    })),
  )
  const { spans } = await takenTraces([encoded(TraceRequest, { resourceSpans: [{ scopeSpans: [{ spans: list }] }] })])
  t.is(spans.length, list.length)
  const waypoints = spans.filter(row => row.reporter_kind === 'waypoint')
  t.true(waypoints.length > 0)
  t.true(waypoints.every(row => row.dst_pod === '' && String(row.dst_service).startsWith('bookinfo/') && row.cluster === 'Kubernetes'))
  const gateways = spans.filter(row => row.reporter_kind === 'gateway')
  t.true(gateways.every(row => String(row.reporter).startsWith('bookinfo/bookinfo-gateway-istio-') && row.layer === 'l7_proxy'))
  t.is(waypoints.length + gateways.length, spans.length)
})
