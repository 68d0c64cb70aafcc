import test from 'ava'
import fc from 'fast-check'
import type { Point } from '../../../collectors/samples/point.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { published } from '../hubble/running.ts'
import { startCollecting, target } from './collecting.ts'
import { atZero, fixture, lines, pointsOf } from './reader.ts'

type Rows = Record<string, unknown>[]

/** Samples, requests and flows of a scrape whose series all began with it. */
async function collected(points: readonly Point[], of = target): Promise<Record<'sample' | 'request' | 'flow', Rows>> {
  await using opened = await openTestBus()
  await using collecting = await startCollecting(opened.bus)
  await collecting.take(atZero(points, points[0].time - 15e6), of)
  await collecting.take(points, of)
  await collecting.flush()
  const [sample, request, flow] = await Promise.all((['sample', 'request', 'flow'] as const).map(kind => published(opened.bus, kind)))
  return { sample: sample.filter(({ time }) => time === points[0].time), request, flow }
}

const time = 1_790_000_000e6
const one = (metric: string, labels: Record<string, string>, value = 7): Point => ({
  metric,
  type: 'counter',
  labels: Object.entries(labels),
  time,
  value,
})
const total = (rows: Rows, field: string) => rows.reduce((all, row) => all + Number(row[field]), 0)

test('a scrape of a ztunnel: both reporters, each byte in the direction it went', async t => {
  const text = fixture(t, 'prometheus/ztunnel-1.24.txt')
  if (text === undefined) return
  const { sample, request, flow } = await collected(pointsOf(text, time))
  const told = [...lines(text)].filter(({ name }) => name.startsWith('istio_tcp_'))
  const truth = (name: string, reporter: string) =>
    told
      .filter(line => line.name === name && line.labels.some(([label, value]) => label === 'reporter' && value === reporter))
      .reduce((all, { value }) => all + value, 0)
  for (const [reporter, direction] of [
    ['source', 'egress'],
    ['destination', 'ingress'],
  ] as const) {
    // prettier-ignore
    const ours = flow.filter(row => row.direction === direction)
    t.is(total(ours.filter(row => row.is_reply === 'no'), 'bytes'), truth('istio_tcp_received_bytes_total', reporter)) // prettier-ignore
    t.is(total(ours.filter(row => row.is_reply === 'yes'), 'bytes'), truth('istio_tcp_sent_bytes_total', reporter)) // prettier-ignore
    t.is(total(ours, 'connections'), truth('istio_tcp_connections_opened_total', reporter))
    t.true(total(ours, 'bytes') > 0)
  }
  t.is(sample.filter(row => row.direction !== 'unknown').length, told.length)
  t.deepEqual([...new Set(flow.map(row => `${String(row.reporter_kind)} ${String(row.layer)}`))], ['ztunnel l4_proxy'])
  t.is(request.length, 0)
  const asked = flow.find(row => row.is_reply === 'no' && row.src_workload === 'productpage-v1' && row.dst_workload === 'details-v1')
  t.like(asked, {
    source: 'istio_metrics',
    src_namespace: 'default',
    dst_namespace: 'default',
    dst_service: 'default/details',
    src_spiffe_id: 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage',
    src_spiffe_id_source: 'certificate',
    src_service_account: 'bookinfo-productpage',
    src_cluster: '',
    protocol: 'tcp',
  })
  const answered = flow.find(row => row.is_reply === 'yes' && row.dst_workload === 'productpage-v1' && row.src_workload === 'details-v1')
  t.is(answered?.src_service, 'default/details')
})

test('lines of a sidecar: requests with their ends, their status and their count', async t => {
  const text = fixture(t, 'prometheus/gloo-workshop-lines.txt')
  if (text === undefined) return
  const { sample, request } = await collected(pointsOf(text, time))
  const told = [...lines(text)].filter(({ name }) => name === 'istio_requests_total')
  t.is(total(request, 'weight'), told.reduce((all, { value }) => all + value, 0)) // prettier-ignore
  t.like(request[0], {
    source: 'istio_metrics',
    phase: 'exchange',
    layer: 'l7_proxy',
    direction: 'ingress',
    reporter_kind: 'sidecar',
    status_code: 200,
    error: false,
    latency: 0,
    weight: 47,
    src_namespace: 'istio-gateways',
    src_workload: 'istio-ingressgateway-1-22',
    dst_namespace: 'bookinfo-frontends',
    dst_workload: 'productpage-v1',
    dst_service: 'bookinfo-frontends/productpage',
  })
  t.like(
    sample.find(({ metric }) => metric === 'istio_requests_total')!,
    { security: 'mutual_tls', protocol: 'http', delta: 47 },
  )
})

test('a scrape of a proxy of Linkerd: what it sent on is told once, and what it talked to itself is not', async t => {
  const text = fixture(t, 'linkerd/sampleMetrics.txt')
  if (text === undefined) return
  const own = [['namespace', 'test'], ['pod', 'slow-cooker-1'], ['deployment', 'slow-cooker'], ['instance', '10.42.0.7:4191']] as const // prettier-ignore
  const points = pointsOf(text, time).map(point => ({ ...point, labels: [...point.labels, ...own] }))
  const { sample, request, flow } = await collected(points)
  t.is(sample.length, points.length)
  const sent = flow.filter(row => row.direction === 'egress')
  t.is(total(sent.filter(row => row.is_reply === 'no'), 'bytes'), 3763) // prettier-ignore
  t.is(total(sent.filter(row => row.is_reply === 'yes'), 'bytes'), 8323) // prettier-ignore
  t.is(total(sent, 'connections'), 1)
  t.like(
    sent.find(row => row.is_reply === 'no')!,
    {
      source: 'linkerd_metrics',
      layer: 'l4_proxy',
      reporter_kind: 'sidecar',
      src_namespace: 'test',
      src_workload: 'slow-cooker',
      src_workload_kind: 'Deployment',
      src_address: '10.42.0.7',
      dst_address: '10.42.0.122',
      dst_port: 8080,
      dst_namespace: 'linkerd-opaque-ports-test',
      dst_workload: 'opaque-pod',
      dst_pod: 'opaque-pod-dcf789f5d-sfx7v',
      dst_service_account: 'default',
      dst_spiffe_id: 'spiffe://cluster.local/ns/linkerd-opaque-ports-test/sa/default',
      dst_spiffe_id_source: 'claim',
    },
  )
  t.is(total(request.filter(row => row.phase === 'request'), 'weight'), 30) // prettier-ignore
  t.is(total(request.filter(row => row.phase === 'response'), 'weight'), 29) // prettier-ignore
  t.like(request[0], { direction: 'ingress', dst_workload: 'slow-cooker', dst_port: 4191, src_workload: '' })
})

test('a scrape of an Envoy with clusters as Istio names them: services, ports and statuses, and no edges', async t => {
  const text = fixture(t, 'envoy-rig/single/client.prometheus.txt.gz')
  if (text === undefined) return
  const points = pointsOf(text, time).map(point => (point.metric.endsWith('upstream_rq') ? { ...point, type: 'counter' as const } : point))
  const { sample, request, flow } = await collected(points)
  t.is(sample.length, points.length)
  t.deepEqual([request.length, flow.length], [0, 0])
  const answered = sample.filter(({ metric }) => metric === 'envoy_cluster_shop_svc_cluster_local_external_upstream_rq')
  const told = [...lines(text)].filter(({ name }) => name === 'envoy_cluster_shop_svc_cluster_local_external_upstream_rq')
  t.is(total(answered, 'delta'), told.reduce((all, { value }) => all + value, 0)) // prettier-ignore
  const clusters = told.map(({ labels }) => Object.fromEntries(labels).envoy_cluster_name.split('|'))
  t.deepEqual(
    new Set(answered.map(row => `${String(row.direction)} ${String(row.dst_port)} ${String(row.dst_service)}`)),
    new Set(clusters.map(([, port, , host]) => `egress ${port} shop/${host}`)),
  )
  t.deepEqual(
    new Set(answered.map(row => Number(row.status_code))),
    new Set(told.map(({ labels }) => Number(Object.fromEntries(labels).envoy_response_code))),
  )
})

const principal = 'cluster.local/ns/shop/sa/web'
const cases: Record<string, [point: Point, kind: 'sample' | 'request' | 'flow', row: Record<string, unknown> | undefined]> = {
  'a principal without its scheme is a SPIFFE ID': [
    one('istio_requests_total', { reporter: 'source', source_principal: principal, destination_principal: 'unknown' }),
    'sample',
    {
      src_spiffe_id: `spiffe://${principal}`,
      src_namespace: 'shop',
      src_service_account: 'web',
      src_spiffe_id_source: 'claim',
      dst_spiffe_id: '',
    },
  ],
  'the cluster of an end is named where it is another than that of the reporter': [
    one('istio_requests_total', { reporter: 'destination', source_cluster: 'east', destination_cluster: 'west' }),
    'request',
    { cluster: 'one', src_cluster: 'east', dst_cluster: '' },
  ],
  'a waypoint is at neither end': [
    one('istio_requests_total', { reporter: 'waypoint', destination_workload: 'cart', response_code: '503', response_flags: 'UF,URX' }),
    'request',
    { reporter_kind: 'waypoint', direction: 'unknown', status_code: 503, error: true, response_flags: 'UF,URX', weight: 7 },
  ],
  'a failure of gRPC under status 200 is an error': [
    one('istio_requests_total', { reporter: 'destination', request_protocol: 'grpc', response_code: '200', grpc_response_status: '14' }),
    'request',
    { protocol: 'grpc', grpc_status: 'UNAVAILABLE', error: true },
  ],
  'what never reached a workload goes to a host': [
    one('istio_requests_total', {
      reporter: 'source',
      source_workload: 'istio-ingressgateway',
      destination_workload: 'unknown',
      destination_service: 'api.example.com',
      destination_service_name: 'api.example.com',
      destination_service_namespace: 'unknown',
    }),
    'request',
    { reporter_kind: 'gateway', dst_workload: '', dst_service: '', dst_dns_name: 'api.example.com' },
  ],
  'a black hole is no service': [
    one('istio_tcp_connections_opened_total', {
      reporter: 'source',
      destination_service_name: 'BlackHoleCluster',
      destination_service: 'unknown',
    }),
    'flow',
    { dst_service: '', dst_dns_name: '', connections: 7 },
  ],
  'a request without an answer is an error by its flags': [
    one('istio_requests_total', { reporter: 'source', response_code: '0', response_flags: 'URX,UF' }),
    'request',
    { status_code: 0, error: true, response_flags: 'UF,URX' },
  ],
  'a request the client gave up is none': [
    one('istio_requests_total', { reporter: 'source', response_code: '0', response_flags: 'DC' }),
    'request',
    { error: false },
  ],
  'a connection a ztunnel refused by policy is denied': [
    one('istio_tcp_connections_failed_total', { reporter: 'destination', app: 'ztunnel', response_flags: 'DENY' }),
    'flow',
    { reporter_kind: 'ztunnel', event: 'policy_verdict', verdict: 'dropped', drop_reason: 'policy_denied', weight: 7 },
  ],
  'a connection that failed otherwise is not': [
    one('istio_tcp_connections_failed_total', { reporter: 'destination', app: 'ztunnel', response_flags: 'CONNECT' }),
    'flow',
    undefined,
  ],
  'what a server of Linkerd refused is denied by its Server': [
    one('inbound_http_authz_deny_total', {
      target_addr: '10.0.0.9:8080',
      target_ip: '10.0.0.9',
      target_port: '8080',
      srv_group: 'policy.linkerd.io',
      srv_kind: 'server',
      srv_name: 'cart-http',
      tls: 'true',
      client_id: 'web.shop.serviceaccount.identity.linkerd.cluster.local',
      namespace: 'shop',
      deployment: 'cart',
    }),
    'flow',
    {
      type: 'l7',
      event: 'l7',
      layer: 'l7_proxy',
      direction: 'ingress',
      verdict: 'dropped',
      drop_reason: 'policy_denied',
      weight: 7,
      policy_source: 'dataplane',
      policy_kind: 'server',
      policy_namespace: 'shop',
      policy_name: 'cart-http',
      src_namespace: 'shop',
      src_service_account: 'web',
      src_spiffe_id: 'spiffe://cluster.local/ns/shop/sa/web',
      dst_workload: 'cart',
      dst_port: 8080,
    },
  ],
  'a refused TCP connection of Linkerd is a policy verdict': [
    one('inbound_tcp_authz_deny_total', { target_addr: '10.0.0.9:6379', srv_kind: 'default', srv_name: 'deny', tls: 'no_identity' }),
    'flow',
    {
      type: 'l3_l4',
      event: 'policy_verdict',
      layer: 'l4_proxy',
      verdict: 'dropped',
      policy_name: 'deny',
      policy_namespace: '',
      dst_port: 6379,
    },
  ],
  'a failed response of Linkerd is an error': [
    one('response_total', {
      direction: 'outbound',
      tls: 'true',
      target_addr: '10.0.0.9:8080',
      authority: 'cart.shop.svc.cluster.local:8080',
      dst_deployment: 'cart',
      dst_namespace: 'shop',
      status_code: '200',
      grpc_status: '13',
      classification: 'failure',
    }),
    'request',
    {
      phase: 'response',
      error: true,
      grpc_status: 'INTERNAL',
      dst_service: 'shop/cart',
      dst_workload: 'cart',
      dst_port: 8080,
      direction: 'egress',
    },
  ],
  'between two proxies of Linkerd the client tells': [
    one('request_total', { direction: 'inbound', tls: 'true', client_id: 'web.shop.serviceaccount.identity.linkerd.cluster.local' }),
    'request',
    undefined,
  ],
  'a metric that is only named as one of Linkerd is none of it': [
    one('request_total', { direction: 'inbound' }),
    'sample',
    { direction: 'unknown' },
  ],
  'a cluster of Istio is a service and its port': [
    one('envoy_cluster_upstream_rq', { envoy_cluster_name: 'outbound|9080|v1|reviews.shop.svc.cluster.local', envoy_response_code: '503' }),
    'sample',
    { direction: 'egress', dst_service: 'shop/reviews', dst_port: 9080, status_code: 503, layer: 'l7_proxy', protocol: 'http' },
  ],
  "a cluster's name that Envoy cut at its first dot is put together again": [
    one('cluster.shop.svc.cluster.local.external.upstream_rq', {
      'envoy.cluster_name': 'outbound|8080||backend',
      'envoy.response_code': '204',
    }),
    'sample',
    { direction: 'egress', dst_service: 'shop/backend', dst_port: 8080, status_code: 204 },
  ],
  'an inbound cluster is the workload itself': [
    one('envoy_cluster_upstream_cx_total', { envoy_cluster_name: 'inbound|8080||' }),
    'sample',
    { direction: 'ingress', dst_port: 8080, dst_service: '', layer: 'l4_proxy' },
  ],
  'a listener says which way it leads': [
    one('envoy_http_downstream_rq_xx', { envoy_http_conn_manager_prefix: 'outbound_0.0.0.0_9080', envoy_response_code_class: '5' }),
    'sample',
    { direction: 'egress', layer: 'l7_proxy' },
  ],
  'a cluster of Consul is a service of a datacenter': [
    one('envoy_cluster_upstream_rq_total', {
      envoy_cluster_name: 'v2.payments.default.dc1.internal.e5b08d03-bfc3-c870-1833-baddb116e648.consul',
      consul_source_service: 'web',
      consul_source_namespace: 'default',
      consul_source_datacenter: 'dc1',
    }),
    'sample',
    {
      direction: 'egress',
      dst_service: 'default/payments',
      dst_workload: 'payments',
      src_service: 'default/web',
      src_workload: 'web',
    },
  ],
  'a cluster of Consul in a partition is one as well': [
    one('envoy_cluster_upstream_rq_total', {
      envoy_cluster_name: 'payments.billing.west.dc1.internal-v1.e5b08d03-bfc3-c870-1833-baddb116e648.consul',
    }),
    'sample',
    { dst_service: 'billing/payments' },
  ],
  'a metric nobody knows is kept as it is': [
    one('jobs_done_total', { queue: 'mail', reporter: 'source' }),
    'sample',
    { metric: 'jobs_done_total', delta: 7, direction: 'unknown', labels: { queue: 'mail', reporter: 'source' } },
  ],
}
for (const [promise, [point, kind, row]] of Object.entries(cases))
  test(promise, async t => {
    const rows = (await collected([point]))[kind]
    if (!row) return t.deepEqual(rows, [])
    return t.like(rows[0], row)
  })

test('edges of metrics can be left out', async t => {
  await using opened = await openTestBus()
  await using collecting = await startCollecting(opened.bus, { edges: false })
  const point = one('istio_requests_total', { reporter: 'source' })
  await collecting.take([...atZero([point], time - 1e6), point])
  await collecting.flush()
  t.is((await published(opened.bus, 'sample')).length, 2)
  t.is((await published(opened.bus, 'request')).length, 0)
})

const words =
  ' unknown - inbound outbound source destination waypoint src dst true 99999 0x1f :: [::1]:80 outbound|x| __proto__ constructor ' +
  'a.b.serviceaccount.identity.c v.w.x.y.internal.z.consul 10.0.0.300:99999'
const word = fc.oneof(fc.constantFrom(...words.split(' ')), fc.string({ unit: 'binary', maxLength: 30 }))
const labelNames =
  'reporter direction tls peer client_id server_id target_addr target_ip target_port authority instance source_principal ' +
  'destination_service response_code grpc_response_status envoy_cluster_name __proto__ toString'
const metricNames =
  'istio_requests_total istio_tcp_sent_bytes_total istio_toString istio___proto__ request_total tcp_open_total tcp_read_bytes_total ' +
  'inbound_http_authz_deny_total envoy_cluster_upstream_rq cluster.x.upstream_rq constructor'

test('no labels whatever stop a collector', async t => {
  await using opened = await openTestBus()
  await using collecting = await startCollecting(opened.bus)
  let now = time
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...metricNames.split(' ')),
      fc.dictionary(fc.constantFrom(...labelNames.split(' ')), word),
      async (metric, labels) => {
        const point = one(metric, labels)
        await collecting.take([...atZero([point], ++now), { ...point, time: ++now }])
      },
    ),
    { numRuns: 2000 },
  )
  await collecting.flush()
  for (const kind of ['sample', 'request', 'flow'] as const) t.true((await published(opened.bus, kind)).length > 0)
})
