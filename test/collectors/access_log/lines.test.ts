import test from 'ava'
import fc from 'fast-check'
import type { LineContext } from '../../../collectors/access_log/line.ts'
import { istioLine, tcpLine } from './lines.ts'
import { type Row, context, filled, open, podContext, readAll } from './reading.ts'

const time = '2026-11-21T08:00:00.250Z'

interface Parts {
  request: string
  code: string | number
  details: string
  termination: string
  failure: string
  numbers: string
  agent: string
  authority: string
  host: string
  cluster: string
  upstreamLocal: string
  local: string
  remote: string
  sni: string
}

/** A line of Istio's default format. */
function line(parts: Partial<Parts> = {}): string {
  const all: Parts = {
    request: 'GET / HTTP/1.1',
    code: 200,
    details: 'via_upstream',
    termination: '-',
    failure: '-',
    numbers: '1 2 3 4',
    agent: 'curl/8',
    authority: 'web',
    host: '10.0.0.9:8080',
    cluster: 'outbound|8080||web.shop.svc.cluster.local',
    upstreamLocal: '10.0.0.7:40000',
    local: '10.96.0.4:8080',
    remote: '10.0.0.7:51000',
    sni: '-',
    ...parts,
  }
  return (
    `[${time}] "${all.request}" ${all.code} - ${all.details} ${all.termination} "${all.failure}" ${all.numbers} "-" "${all.agent}" "id-1" ` +
    `"${all.authority}" "${all.host}" ${all.cluster} ${all.upstreamLocal} ${all.local} ${all.remote} ${all.sni} default`
  )
}

const denied = 'rbac_access_denied_matched_policy[ns[shop]-policy[deny-all]-rule[0]]'
const inbound = { cluster: 'inbound|8080||', local: '10.0.0.9:8080', upstreamLocal: '127.0.0.6:40000', host: '10.0.0.9:8080' }

/** What a line becomes: the request, and where there is one the flow. */
const cases: [title: string, line: string, request: Row | undefined, flow: Row | undefined][] = [
  [
    'the line of a client names the server it reached',
    line(),
    {
      direction: 'egress',
      reporter_kind: 'sidecar',
      src_pod: 'web-1',
      dst_pod: '',
      dst_address: '10.0.0.9',
      dst_service: 'shop/web',
      status_code: 200,
    },
    undefined,
  ],
  [
    'the line of a server is at its own address',
    line({ ...inbound, remote: '10.0.0.7:51000', sni: 'outbound_.8080_._.web.shop.svc.cluster.local' }),
    {
      direction: 'ingress',
      reporter_kind: 'sidecar',
      dst_pod: 'web-1',
      src_pod: '',
      dst_address: '10.0.0.9',
      dst_service: 'shop/web',
      src_address: '10.0.0.7',
    },
    undefined,
  ],
  [
    'a server behind loopback is at the address that was called',
    line({ ...inbound, host: '127.0.0.1:8080' }),
    { dst_address: '10.0.0.9', dst_port: 8080 },
    undefined,
  ],
  [
    'a client on loopback is the pod that reports, at the address it calls from',
    line({ remote: '127.0.0.1:51000' }),
    { src_address: '10.0.0.7', src_port: 51_000, src_pod: 'web-1' },
    undefined,
  ],
  [
    'a gateway is neither end',
    line({ local: '10.0.0.7:8443', remote: '203.0.113.5:443' }),
    { reporter_kind: 'gateway', direction: 'egress', src_pod: '', dst_pod: '', src_address: '203.0.113.5' },
    undefined,
  ],
  [
    'a waypoint is neither end, and its server is the pod behind the tunnel',
    line({
      cluster: 'inbound-vip|8080|http|web.shop.svc.cluster.local',
      host: 'envoy://connect_originate/10.0.0.9:8080',
      upstreamLocal: 'envoy://internal_client_address/',
    }),
    {
      reporter_kind: 'waypoint',
      direction: 'ingress',
      src_pod: '',
      dst_pod: '',
      dst_address: '10.0.0.9',
      dst_port: 8080,
      dst_service: 'shop/web',
    },
    undefined,
  ],
  [
    'IPv6 addresses have their ports',
    line({ host: '[2001:db8::9]:8080', remote: '[2001:db8::7]:51000', upstreamLocal: '[2001:db8::7]:4' }),
    { dst_address: '2001:db8::9', dst_port: 8080, src_address: '2001:db8::7', src_port: 51_000, ip_version: 6, reporter_kind: 'sidecar' },
    undefined,
  ],
  [
    'a client known from headers alone has no port',
    line({ remote: '198.51.100.7:0' }),
    { src_address: '198.51.100.7', src_port: 0 },
    undefined,
  ],
  [
    'a request a policy denied is a denial at L7 too',
    line({ ...inbound, code: 403, details: denied }),
    {
      verdict: 'dropped',
      policy_name: 'deny-all',
      policy_namespace: 'shop',
      policy_kind: 'AuthorizationPolicy',
      policy_source: 'log',
      drop_reason: 'policy_denied',
    },
    {
      type: 'l7',
      event: 'l7',
      verdict: 'dropped',
      policy_name: 'deny-all',
      policy_namespace: 'shop',
      dst_pod: 'web-1',
      layer: 'l7_proxy',
      direction: 'ingress',
    },
  ],
  [
    'what no policy allowed is a default deny',
    line({ ...inbound, code: 403, details: 'rbac_access_denied_matched_policy[none]' }),
    { verdict: 'dropped', policy_name: '', policy_source: 'log', drop_reason: 'default_deny' },
    { event: 'l7', drop_reason: 'default_deny', policy_name: '' },
  ],
  [
    'a policy with a custom action that is wrong has its name',
    line({ ...inbound, code: 403, details: 'rbac_access_denied_matched_policy[default-deny-all-due-to-bad-CUSTOM-action]' }),
    { policy_name: 'default-deny-all-due-to-bad-CUSTOM-action', policy_namespace: '', policy_kind: 'AuthorizationPolicy' },
    { event: 'l7' },
  ],
  [
    'a connection is two flows',
    line({ request: '- - -', code: 0, details: '-', numbers: '11 22 33 -' }),
    undefined,
    {
      type: 'l3_l4',
      event: 'unknown',
      layer: 'l4_proxy',
      is_reply: 'no',
      bytes: 11,
      connections: 1,
      duration: 33_000_000,
      src_address: '10.0.0.7',
      dst_address: '10.0.0.9',
    },
  ],
  [
    'a connection a policy denied is a verdict',
    line({ ...inbound, request: '- - -', code: 0, details: '-', termination: denied, numbers: '0 0 1 -' }),
    undefined,
    { event: 'policy_verdict', verdict: 'dropped', policy_name: 'deny-all', is_reply: 'no', dst_pod: 'web-1' },
  ],
  [
    'traffic to nowhere is dropped',
    line({ request: '- - -', code: 0, details: '-', cluster: 'BlackHoleCluster', host: '-', numbers: '0 0 1 -' }),
    undefined,
    { event: 'drop', verdict: 'dropped', drop_reason: 'blackhole', dst_address: '10.96.0.4' },
  ],
  [
    'a host outside has its name',
    line({ cluster: 'outbound|443||api.example.com', authority: 'api.example.com' }),
    { dst_dns_name: 'api.example.com', dst_service: '', host: 'api.example.com' },
    undefined,
  ],
  [
    'a server that failed is an error, a client that was wrong is none',
    line({
      code: 503,
      details: 'upstream_reset_before_response_started{connection_failure,delayed connect error: 111}',
      failure: 'delayed connect error: 111',
    }),
    {
      error: true,
      response_details: 'upstream_reset_before_response_started{connection_failure,delayed connect error: 111}',
      attributes: { upstream_transport_failure_reason: 'delayed connect error: 111' },
    },
    undefined,
  ],
  [
    'quotes and spaces of a client do no harm',
    line({ request: 'GET /a"b "c" HTTP/1.1', agent: 'an \\" agent "quoted" x' }),
    { path: '/a"b "c"', user_agent: 'an \\" agent "quoted" x', authority: undefined, host: 'web' },
    undefined,
  ],
  [
    'gRPC is told by its clients',
    line({ agent: 'grpc-go/1.60', request: 'POST /a.B/C HTTP/2' }),
    { protocol: 'grpc', method: 'POST', path: '/a.B/C' },
    undefined,
  ],
  ['a host in another script stays what it is', line({ authority: 'bücher.example' }), { host: 'bücher.example' }, undefined],
]
for (const [title, text, request, flow] of cases)
  test(title, t => {
    const read = readAll([text], { context: podContext('web-1') })
    t.is(read.taken, 1)
    t.is(read.requests.length, request ? 1 : 0)
    const wanted = (row: Row | undefined) => Object.fromEntries(Object.entries(row ?? {}).filter(([, value]) => value !== undefined))
    if (request) t.like(read.requests[0], wanted(request))
    if (flow) t.like(read.flows[0], wanted(flow))
    else t.is(read.flows.length, 0)
  })

test('the way back of a connection has its ends swapped, its own bytes and no second connection', t => {
  const { flows } = readAll([line({ request: '- - -', code: 0, details: '-', numbers: '11 22 33 -' })], { context: podContext('web-1') })
  t.is(flows.length, 2)
  t.like(flows[1], {
    is_reply: 'yes',
    bytes: 22,
    connections: 0,
    src_address: '10.0.0.9',
    dst_address: '10.0.0.7',
    dst_pod: 'web-1',
    src_service: 'shop/web',
    direction: 'egress',
  })
})

test('who reported stays known for lines without a cluster', t => {
  const { requests } = readAll(
    [
      line({ cluster: 'inbound-vip|8080|http|web.shop.svc.cluster.local' }),
      line({ cluster: '-', host: '-', upstreamLocal: '-', code: 404, details: 'route_not_found' }),
    ],
    { context: podContext('web-waypoint-1') },
  )
  t.deepEqual(
    requests.map(row => row.reporter_kind),
    ['waypoint', 'waypoint'],
  )
})

const notLines = [
  '',
  ' ',
  '[]',
  '{}',
  '[2026-11-21 08:00:00.000][1][info][main] starting',
  '2026-11-21T08:00:00.1Z\tinfo\tads\tconnected',
  'hello',
  '{"level":"info"}',
  '7',
  '[',
  '{',
  '{"a":',
]
for (const text of notLines)
  test(`${JSON.stringify(text)} is no access log`, t => {
    const read = readAll([text])
    t.is(read.taken, 0)
    t.is(read.discarded.size, 0)
  })

const broken = [
  line().slice(0, 60),
  line().slice(0, -50),
  `[${time}] "GET`,
  `[2026-11-21T99:00:00.250Z]${line().slice(26)}`,
  '{"start_time":"2026-',
  '{"start_time":"yesterday","response_code":200}',
  `2026-11-21T08:00:00.1Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:1 dst.addr="10.`,
]
for (const text of broken)
  test(`${JSON.stringify(text.slice(0, 90))}, which breaks off, is kept as a dead letter`, t => {
    const read = readAll([text])
    t.is(read.taken, 1)
    t.is(read.requests.length + read.flows.length, 0)
    t.is(read.discarded.get('undecodable'), 1)
    t.is(read.letters[0]?.body, text)
  })

test('formats of before, and of Envoy itself, are known', t => {
  const { requests } = readAll([
    `[${time}] "GET /old HTTP/1.1" 200 - "-" "-" 0 2 3 4 "-" "curl" "id" "web" "10.0.0.9:8080" outbound|8080||web.shop.svc.cluster.local - 10.96.0.4:8080 10.0.0.7:51000 - default`,
    `[${time}] "GET /plain HTTP/1.1" 200 - 0 2 3 4 "-" "curl" "id" "web" "10.0.0.9:8080"`,
  ])
  t.deepEqual(
    requests.map(row => [row.path, row.response_bytes, row.dst_address]),
    [
      ['/old', 2, '10.0.0.9'],
      ['/plain', 2, '10.0.0.9'],
    ],
  )
})

test('JSON may have any keys, numbers as text, null and nested values', t => {
  const log = {
    start_time: time,
    method: 'GET',
    path: '/x',
    response_code: '503',
    duration: 7,
    bytes_sent: null,
    upstream_cluster: '-',
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    tenant: 'blue',
    more: { a: 1, b: [2] },
    grpc_status: 14,
  }
  const { requests } = readAll([JSON.stringify(log)])
  t.like(filled(requests[0]), {
    status_code: 503,
    latency: 7_000_000,
    trace_id: 'a'.repeat(32),
    grpc_status: 'UNAVAILABLE',
    protocol: 'grpc',
    error: true,
    attributes: { tenant: 'blue', 'more.a': '1', 'more.b': '[2]' },
  })
})

test('what came with a line adds to it', t => {
  const given: LineContext = {
    ...context,
    trace_id: 'c'.repeat(32),
    fields: { downstream_peer_uri_san: 'spiffe://a/ns/shop/sa/cart', tenant: 'blue', path: 'never' },
  }
  const { requests } = readAll([line()], { context: given })
  t.like(requests[0], {
    src_spiffe_id: 'spiffe://a/ns/shop/sa/cart',
    src_service_account: 'cart',
    src_spiffe_id_source: 'certificate',
    path: '/',
    trace_id: 'c'.repeat(32),
    attributes: { tenant: 'blue' },
    user_agent: 'curl/8',
  })
})

test('what came with a line is a log by itself when it says what only Envoy says', t => {
  const fields = { start_time: time, method: 'GET', path: '/otlp', response_code: '200', upstream_cluster: 'inbound|8080||', message: 'x' }
  const read = (given: Record<string, string>) =>
    readAll(['any text'], { context: { ...podContext('web-1'), span_id: 'd'.repeat(16), fields: given } })
  t.like(read(fields).requests[0], { path: '/otlp', dst_pod: 'web-1', span_id: 'd'.repeat(16), attributes: { message: 'x' } })
  t.is(read({ start_time: time, response_code: '200' }).taken, 0)
})

test('a gateway that answers for nobody is the server, and one without a server chosen knows the port', t => {
  const gateway = { upstreamLocal: '-', host: '-', local: '10.0.0.3:8443', remote: '203.0.113.5:443' }
  const given = { context: podContext('istio-ingressgateway-1', 'istio-system') }
  const [none, unchosen] = readAll([line({ ...gateway, cluster: '-', code: 404 }), line({ ...gateway, code: 503 })], given).requests
  t.like(none, { reporter_kind: 'gateway', dst_pod: 'istio-ingressgateway-1', dst_address: '10.0.0.3', direction: 'egress' })
  t.like(unchosen, { reporter_kind: 'gateway', dst_pod: '', dst_address: '', dst_port: 8080, dst_service: 'shop/web' })
})

const flagged: [flags: string, code: number, request: Row | undefined, flow: Row | undefined][] = [
  [
    'UAEX',
    403,
    { verdict: 'dropped', drop_reason: 'ext_authz', error: false },
    { event: 'l7', verdict: 'dropped', drop_reason: 'ext_authz' },
  ],
  ['UC', 0, undefined, { verdict: 'error', response_flags: 'UC' }],
  ['NR', 0, undefined, { verdict: 'dropped', drop_reason: 'no_filter_chain_or_route' }],
  ['URX,UF', 503, { verdict: 'forwarded', response_flags: 'UF,URX', error: true }, undefined],
]
for (const [flags, code, request, flow] of flagged)
  test(`the flags ${flags} with ${code} say how it ended`, t => {
    const text = line(code ? { code } : { code, request: '- - -', numbers: '0 0 1 -', details: '-' }).replace(
      ` ${code} - `,
      ` ${code} ${flags} `,
    )
    const read = readAll([text], { context: podContext('web-1') })
    if (request) t.like(read.requests[0], request)
    if (flow) t.like(read.flows[0], flow)
    t.is(read.flows.length, flow ? 1 : 0)
  })

test('secrets in what clients send are not kept, and Consul names services in identities', t => {
  const { requests } = readAll([line({ request: 'GET /login?token=s3cret&page=2 HTTP/3', authority: 'me:s3cret@web' })], {
    context: {
      ...context,
      fields: { downstream_peer_uri_san: 'spiffe://6ba7b810-9dad-11d1-80b4-00c04fd430c8.consul/ns/default/dc/dc1/svc/api' },
    },
  })
  t.like(requests[0], { path: '/login?token=***&page=2', host: 'web', transport: 'udp', src_service: 'default/api' })
})

test("Linkerd's access log in JSON is the server's side of requests", t => {
  const log = {
    'client.addr': '10.42.0.63:51160',
    'client.id': 'traffic.booksapp.serviceaccount.identity.linkerd.cluster.local',
    timestamp: '2026-11-21T08:00:00.071809491Z',
    method: 'GET',
    uri: 'http://webapp.booksapp.svc.cluster.local:7000/books',
    version: 'HTTP/2.0',
    trace_id: '',
    request_bytes: '',
    total_ns: '1234567',
    processing_ns: '99',
    user_agent: 'Go',
    host: '',
    status: 200,
    response_bytes: '42',
  }
  const { requests } = readAll([JSON.stringify(log)], { context: podContext('webapp-1', 'booksapp') })
  t.like(requests[0], {
    direction: 'ingress',
    src_address: '10.42.0.63',
    src_service_account: 'traffic',
    src_namespace: 'booksapp',
    dst_pod: 'webapp-1',
    dst_service: 'booksapp/webapp',
    path: '/books',
    latency: 1_234_567,
    response_bytes: 42,
    status_code: 200,
    time: 1_795_248_000_073_043,
  })
})

test("Linkerd's access log in Apache's format is the same with less", t => {
  const client = '10.42.0.63:51160 traffic.booksapp.serviceaccount.identity.linkerd.cluster.local - [2022-08-23T20:28:20.071809491Z]'
  const { requests } = readAll(
    [
      `${client} "GET http://webapp:7000/books?a HTTP/2.0" 200`,
      '10.42.0.1:43682 - - [2022-08-23T20:28:23.049685223Z] "GET /ping HTTP/1.1" 503 42',
    ],
    { context: podContext('webapp-1', 'booksapp') },
  )
  t.like(requests[0], {
    direction: 'ingress',
    host: 'webapp:7000',
    path: '/books?a',
    src_service_account: 'traffic',
    dst_pod: 'webapp-1',
    status_code: 200,
  })
  t.like(requests[1], { path: '/ping', src_spiffe_id: '', status_code: 503, response_bytes: 42, error: true })
})

test('interim entries are counted, not stored', t => {
  for (const type of [
    'DownstreamStart',
    'DownstreamPeriodic',
    'TcpPeriodic',
    'TcpUpstreamConnected',
    'UpstreamPoolReady',
    'TcpConnectionStart',
    'UpstreamEnd',
  ]) {
    const read = readAll([JSON.stringify({ start_time: time, response_code: 200, access_log_type: type })])
    t.is(read.discarded.get('interim'), 1, type)
    t.is(read.requests.length, 0)
  }
})

test('any bytes leave the reader whole: rows come from lines only, and the next line is read as ever', t => {
  const { reader, block, records } = open({}, 40_000)
  const valid = [line(), tcpLine(3), JSON.stringify({ start_time: time, response_code: 200 })].map(text => Buffer.from(text))
  const attempt = (bytes: Buffer) => {
    const before = block('request').rows
    reader.takeBytes(bytes, 0, bytes.length, context)
    t.true(block('request').rows - before <= 1)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => attempt(Buffer.from(bytes))),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...valid),
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 6 }),
      fc.nat(),
      (whole, changes, cut) => {
        const bytes = Buffer.from(whole)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        attempt(bytes)
        attempt(bytes.subarray(0, cut % bytes.length))
      },
    ),
    { numRuns: 3000 },
  )
  const rows = block('request').rows
  t.true(reader.take(istioLine(9, { path: '/whole' }), context))
  const request = records('request')[rows]
  t.like(request, { path: '/whole', status_code: 200, method: 'GET', dst_service: 'shop/details', user_agent: 'curl/8' })
  t.deepEqual(request.attributes, {})
})

test('what clients make too long is cut, what is too much left out, and both are counted', t => {
  const long = readAll([line({ request: `GET /${'x'.repeat(20_000)} HTTP/1.1` })])
  t.is(String(long.requests[0].path).length, 8192)
  t.is(long.discarded.get('over_limit'), 1)
  const keys = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`key${index}`, 'x'.repeat(index === 0 ? 5000 : 1)]))
  const many = readAll([JSON.stringify({ start_time: time, response_code: 200, ...keys })])
  t.is(Object.keys(many.requests[0].attributes as object).length, 64)
  t.is(many.discarded.get('over_limit'), 37)
})

test('a query is kept as it is unless a parameter is a secret by its name', t => {
  const queries = {
    '?a=1&b=2': '?a=1&b=2',
    '?a&token=x;pwd=y': '?a&token=***;pwd=***',
    '?=': '?=',
    '??API_KEY=1': '??API_KEY=***',
    '?tokens=1': '?tokens=1',
    '?a=token=1': '?a=token=1',
  }
  for (const [query, kept] of Object.entries(queries))
    t.is(readAll([line({ request: `GET /p${query} HTTP/1.1` })]).requests[0].path, `/p${kept}`)
})
