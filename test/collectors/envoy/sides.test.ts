import { readFile } from 'node:fs/promises'
import test from 'ava'
import { type Row, introducedBy, openDecoding } from './decoding.ts'
import { areThere, messageType } from './recordings.ts'

const fixtures = '../shared/fixtures/envoy/als'

const socket = (address: string, portValue: number) => ({ socketAddress: { address, portValue } })
const struct = (fields: Record<string, string>) => ({
  fields: Object.fromEntries(Object.entries(fields).map(([key, stringValue]) => [key, { stringValue }])),
})

interface Proxy {
  id: string
  metadata?: Record<string, string>
}

const sidecar: Proxy = { id: 'sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local' }
const gateway: Proxy = { id: 'router~10.1.9.9~ingress-1.istio-system~istio-system.svc.cluster.local' }
const waypoint: Proxy = { id: 'waypoint~10.1.7.7~waypoint-1.shop~shop.svc.cluster.local' }

/** The row of one HTTP entry of a proxy. */
async function requestOf({ id, metadata }: Proxy, commonProperties: object, rest: object = {}): Promise<Row> {
  const type = await messageType()
  const node = { id, ...(metadata && { metadata: struct(metadata) }) }
  const message = { identifier: { node }, httpLogs: { logEntry: [{ commonProperties, ...rest }] } }
  const bytes = Buffer.from(type.encode(type.fromObject(message)).finish())
  const decoding = openDecoding()
  decoding.decode(bytes, introducedBy(bytes))
  return decoding.rows('request')[0]
}

const client = { downstreamDirectRemoteAddress: socket('10.1.4.4', 40_000), downstreamLocalAddress: socket('10.1.2.3', 8080) }

const cases: Record<string, [proxy: Proxy, common: object, expected: Row]> = {
  'the address the connection came from is the client, not what X-Forwarded-For says': [
    sidecar,
    { ...client, downstreamRemoteAddress: socket('203.0.113.5', 0), upstreamCluster: 'inbound|8080||' },
    { src_address: '10.1.4.4', src_port: 40_000 },
  ],
  'the loopback address of an application is its pod': [
    sidecar,
    { ...client, upstreamRemoteAddress: socket('127.0.0.1', 8080), upstreamCluster: 'inbound|8080||' },
    { direction: 'ingress', dst_address: '10.1.2.3', dst_port: 8080, dst_pod: 'web-1', dst_namespace: 'shop' },
  ],
  '127.0.0.6 is the proxy itself at the side of the client': [
    sidecar,
    {
      downstreamDirectRemoteAddress: socket('127.0.0.6', 40_000),
      upstreamRemoteAddress: socket('10.1.5.5', 8080),
      upstreamCluster: 'outbound|80||cart.shop.svc.cluster.local',
    },
    { direction: 'egress', src_address: '10.1.2.3', src_pod: 'web-1', dst_address: '10.1.5.5', dst_port: 8080, dst_service: 'shop/cart' },
  ],
  '127.0.0.6 is nobody at the side of the server': [
    sidecar,
    { ...client, downstreamDirectRemoteAddress: socket('127.0.0.6', 40_000), upstreamCluster: 'inbound|8080||' },
    { src_address: '', src_port: 40_000, dst_address: '10.1.2.3', src_pod: '' },
  ],
  'without a cluster the own address tells the side: of the server': [sidecar, client, { direction: 'ingress', dst_pod: 'web-1' }],
  'without a cluster the own address tells the side: of the client': [
    sidecar,
    { downstreamDirectRemoteAddress: socket('10.1.2.3', 40_000), downstreamLocalAddress: socket('10.96.0.9', 80) },
    { direction: 'egress', src_pod: 'web-1', dst_address: '10.96.0.9', dst_port: 80, dst_pod: '' },
  ],
  'who asks for a certificate stands before the server': [
    { id: 'sidecar~~web-1.shop~shop.svc.cluster.local' },
    { tlsProperties: { peerCertificateProperties: { subjectAltName: [{ uri: 'spiffe://td/ns/test/sa/sleep' }] } } },
    { direction: 'ingress', src_spiffe_id: 'spiffe://td/ns/test/sa/sleep', src_namespace: 'test', src_service_account: 'sleep' },
  ],
  'a gateway is neither end of what it passes on': [
    gateway,
    {
      downstreamDirectRemoteAddress: socket('198.51.100.7', 40_000),
      downstreamLocalAddress: socket('10.1.9.9', 8443),
      upstreamRemoteAddress: socket('10.1.5.5', 8080),
      upstreamCluster: 'outbound|80||cart.shop.svc.cluster.local',
    },
    { reporter_kind: 'gateway', direction: 'egress', src_address: '198.51.100.7', src_pod: '', dst_address: '10.1.5.5', dst_pod: '' },
  ],
  'a gateway that found no server names the service and not itself': [
    gateway,
    {
      downstreamDirectRemoteAddress: socket('198.51.100.7', 40_000),
      downstreamLocalAddress: socket('10.1.9.9', 8443),
      upstreamCluster: 'outbound|80||cart.shop.svc.cluster.local',
    },
    { dst_address: '', dst_port: 80, dst_service: 'shop/cart', dst_pod: '' },
  ],
  'a gateway that found no route is what was called': [
    gateway,
    { downstreamDirectRemoteAddress: socket('198.51.100.7', 40_000), downstreamLocalAddress: socket('10.1.9.9', 8443) },
    { dst_address: '10.1.9.9', dst_port: 8443, dst_pod: 'ingress-1', dst_namespace: 'istio-system' },
  ],
  'a waypoint names the server behind its tunnel': [
    waypoint,
    {
      ...client,
      upstreamRemoteAddress: { envoyInternalAddress: { serverListenerName: 'connect_originate', endpointId: '10.244.0.5:9080' } },
      upstreamCluster: 'inbound-vip|80|http|cart.shop.svc.cluster.local',
    },
    { reporter_kind: 'waypoint', direction: 'ingress', dst_address: '10.244.0.5', dst_port: 9080, dst_service: 'shop/cart', dst_pod: '' },
  ],
  'a host outside is named by the cluster': [
    sidecar,
    { upstreamRemoteAddress: socket('192.0.2.9', 443), upstreamCluster: 'outbound|443||api.example.com' },
    { direction: 'egress', dst_dns_name: 'api.example.com', dst_service: '' },
  ],
  'a service of Consul is named by the cluster, and the own side by local_app': [
    { id: 'web-sidecar-proxy' },
    { upstreamCluster: 'db.default.dc1.internal.11111111-2222-3333-4444-555555555555.consul' },
    { direction: 'egress', dst_service: 'default/db', reporter: 'web-sidecar-proxy' },
  ],
}

for (const [title, [proxy, common, expected]] of Object.entries(cases))
  test(title, async t => {
    if (!(await areThere())) {
      t.log('skipped: no descriptors of Envoy beside the checkout')
      return process.env.CI ? t.fail() : t.pass()
    }
    t.like(await requestOf(proxy, common), expected)
  })

/** An entry of filter_state_objects. */
async function peerObject(fields: Record<string, string>) {
  const type = await messageType('google.protobuf.Struct')
  const value = type.encode(type.fromObject(struct(fields))).finish()
  return { typeUrl: 'type.googleapis.com/google.protobuf.Struct', value }
}

test("what Istio's filters know of the peer is a claim of the other end; objects of other types are passed over", async t => {
  if (!(await areThere())) return process.env.CI ? t.fail() : t.pass()
  const peer = await peerObject({
    namespace: 'shop',
    workload: 'cart',
    name: 'cart-7',
    type: 'deployment',
    cluster: 'west',
    identity: 'spiffe://td/ns/shop/sa/cart',
  })
  const unknown = { typeUrl: 'type.googleapis.com/example.Unknown', value: Buffer.from([8, 1]) }
  const claims = {
    pod: 'cart-7',
    namespace: 'shop',
    workload: 'cart',
    workload_kind: 'Deployment',
    cluster: 'west',
    service_account: 'cart',
    spiffe_id: 'spiffe://td/ns/shop/sa/cart',
    spiffe_id_source: 'claim',
  }
  const named = (end: string) => Object.fromEntries(Object.entries(claims).map(([key, value]) => [end + key, value]))
  for (const [key, cluster, end] of [
    ['upstream_peer', 'outbound|80||cart.shop.svc.cluster.local', 'dst_'],
    ['wasm.upstream_peer', 'outbound|80||cart.shop.svc.cluster.local', 'dst_'],
    ['downstream_peer', 'inbound|80||', 'src_'],
    ['wasm.downstream_peer', 'inbound|80||', 'src_'],
  ])
    t.like(await requestOf(sidecar, { upstreamCluster: cluster, filterStateObjects: { other: unknown, [key]: peer } }), named(end), key)
  const row = await requestOf(sidecar, { upstreamCluster: 'inbound|80||', filterStateObjects: { downstream_peer: unknown } })
  t.is(row.src_workload, '')
})

test('what a certificate says is surer than what a filter says', async t => {
  if (!(await areThere())) return process.env.CI ? t.fail() : t.pass()
  const row = await requestOf(sidecar, {
    upstreamCluster: 'inbound|80||',
    filterStateObjects: { downstream_peer: await peerObject({ namespace: 'told', workload: 'cart' }) },
    tlsProperties: { peerCertificateProperties: { subjectAltName: [{ uri: 'spiffe://td/ns/proven/sa/cart' }] } },
  })
  t.like(row, { src_namespace: 'proven', src_workload: 'cart', src_service_account: 'cart', src_spiffe_id_source: 'certificate' })
})

const skywalking: Record<string, Row> = {
  ingress: {
    reporter: 'istio-system/istio-ingressgateway-699c7dc774-hjxq5',
    reporter_kind: 'gateway',
    direction: 'egress',
    src_address: '10.138.0.14',
    src_port: 51_489,
    dst_address: '10.44.2.54',
    dst_port: 9080,
    dst_service: 'default/productpage',
    status_code: 200,
    latency: 1_010_432_910,
    path: '/productpage',
  },
  'mesh-server-sidecar': {
    reporter: 'default/reviews-v1-d66dcfdc5-kh6v7',
    direction: 'ingress',
    src_address: '10.44.2.54',
    dst_address: '10.44.2.55',
    dst_port: 9080,
    dst_pod: 'reviews-v1-d66dcfdc5-kh6v7',
    dst_service: 'default/reviews',
    request_bytes: 423,
    response_bytes: 181 + 295,
  },
  'mesh-client-sidecar': { direction: 'egress', src_namespace: 'default', status_code: 200 },
}

for (const [name, expected] of Object.entries(skywalking))
  test(`what an older Envoy sent, as SkyWalking kept it, is read: ${name}`, async t => {
    const bytes = await readFile(`${fixtures}/skywalking-envoy-${name}.StreamAccessLogsMessage.bin`).catch(() => undefined)
    if (!bytes) {
      t.log('skipped: no recordings of SkyWalking beside the checkout')
      return process.env.CI ? t.fail() : t.pass()
    }
    const decoding = openDecoding()
    t.is(decoding.decode(bytes, introducedBy(bytes)).entries, 1)
    t.like(decoding.rows('request')[0], expected)
  })

test('texts, pairs and metadata beyond the limits are cut or left out, and counted', async t => {
  if (!(await areThere())) return process.env.CI ? t.fail() : t.pass()
  const type = await messageType()
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`tag${i}`, 'x']))
  const deep: object = Array.from({ length: 12 }).reduce<object>(inner => ({ fields: { a: { structValue: inner } } }), struct({ a: 'b' }))
  const entry = {
    commonProperties: { customTags: many, metadata: { filterMetadata: { 'envoy.filters.http.rbac': deep } } },
    request: { path: '/' + 'ä'.repeat(6000), userAgent: 'u'.repeat(5000) },
  }
  const bytes = Buffer.from(type.encode(type.fromObject({ httpLogs: { logEntry: [entry] } })).finish())
  const decoding = openDecoding()
  t.is(decoding.decode(bytes, introducedBy(bytes)).overLimit, 8 + 1 + 1)
  const [row] = decoding.rows('request')
  t.is(Object.keys(row.attributes as object).length, 32)
  t.is(String(row.user_agent).length, 1024)
  t.regex(String(row.path), /^\/ä{4095}$/)
})
