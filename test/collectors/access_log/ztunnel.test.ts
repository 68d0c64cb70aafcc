import test from 'ava'
import fc from 'fast-check'
import { readZtunnelDenial, readZtunnelText } from '../../../collectors/access_log/ztunnel.ts'
import { type Row, podContext, readAll } from './reading.ts'

const given = { context: podContext('ztunnel-1', 'istio-system') }
const line = (message: string, values: string) => `2026-11-21T08:00:00.123456Z\terror\taccess\t${message}\t${values}`
const ends =
  'src.addr=10.0.0.7:40000 src.workload="curl-1" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/curl" ' +
  'dst.addr=10.0.0.9:15008 dst.hbone_addr=10.0.0.9:8080 dst.service="web.shop.svc.cluster.local" dst.workload="web-1" dst.namespace="shop" dst.identity="spiffe://cluster.local/ns/shop/sa/web"'
const failed = (error: string, direction = 'inbound', bytes = 0) =>
  line(
    'connection complete',
    `${ends} direction="${direction}" bytes_sent=${bytes} bytes_recv=${bytes} duration="5ms" error=${JSON.stringify(error)}`,
  )

/** What errors of ztunnel become. */
const errors: [error: string, flow: Row][] = [
  [
    'connection closed due to policy rejection: allow policies exist, but none allowed',
    {
      event: 'policy_verdict',
      verdict: 'dropped',
      drop_reason: 'default_deny',
      policy_kind: 'AuthorizationPolicy',
      policy_name: '',
      policy_source: 'log',
    },
  ],
  [
    'connection closed due to policy rejection: explicitly denied by: shop/deny-all',
    {
      event: 'policy_verdict',
      verdict: 'dropped',
      drop_reason: 'policy_denied',
      policy_kind: 'AuthorizationPolicy',
      policy_namespace: 'shop',
      policy_name: 'deny-all',
    },
  ],
  [
    'connection closed due to policy rejection: explicitly denied by: istio-system/istio_converted_static_strict',
    {
      verdict: 'dropped',
      policy_kind: 'PeerAuthentication',
      policy_namespace: 'istio-system',
      policy_name: 'istio_converted_static_strict',
    },
  ],
  [
    'connection closed due to policy rejection: explicitly denied by: shop/converted_peer_authentication_strict',
    { verdict: 'dropped', policy_kind: 'PeerAuthentication', policy_name: 'strict' },
  ],
  [
    'connection closed due to policy rejection',
    { event: 'policy_verdict', verdict: 'dropped', drop_reason: 'policy_denied', policy_name: '' },
  ],
  ['connection closed due to policy change', { event: 'policy_verdict', verdict: 'dropped', drop_reason: 'policy_denied' }],
  ['http status: 401 Unauthorized', { event: 'drop', verdict: 'dropped', drop_reason: 'refused_by_destination', policy_name: '' }],
  [
    'connection failed: Connection refused (os error 111)',
    { event: 'unknown', verdict: 'error', end_reason: 'connection failed: Connection refused (os error 111)' },
  ],
  ['unknown source: 10.0.0.7', { verdict: 'error', end_reason: 'unknown source: …' }],
  ['ip mismatch: fd00::1 != 10.0.0.9', { verdict: 'error', end_reason: 'ip mismatch: … != …' }],
]
for (const [error, flow] of errors)
  test(`a connection that ended with "${error}"`, t => {
    const { flows } = readAll([failed(error)], given)
    t.is(flows.length, 1)
    t.like(flows[0], {
      ...flow,
      connections: 1,
      direction: 'ingress',
      src_pod: 'curl-1',
      dst_pod: 'web-1',
      dst_port: 8080,
      dst_node: 'node-1',
    })
  })

test('an open connection that a policy closed has carried bytes both ways', t => {
  const { flows } = readAll([failed('connection closed due to policy change', 'inbound', 7)], given)
  t.deepEqual(
    flows.map(row => [row.is_reply, row.verdict, row.event, row.bytes]),
    [
      ['no', 'dropped', 'policy_verdict', 7],
      ['yes', 'forwarded', 'unknown', 7],
    ],
  )
})

test('a connection refused before its ends are known is a flow', t => {
  const text = line(
    'connection failed',
    'src.addr=10.0.0.7:4 dst.addr=10.0.0.9:80 direction="inbound" error="connection closed due to policy rejection: allow policies exist, but none allowed"',
  )
  const { flows } = readAll([text], given)
  t.like(flows[0], { event: 'policy_verdict', src_address: '10.0.0.7', dst_port: 80, src_pod: '', bytes: 0 })
})

test('a connection that was opened is told again when it ends', t => {
  const read = readAll([line('connection opened', `${ends} direction="outbound"`)], given)
  t.is(read.taken, 1)
  t.is(read.discarded.get('interim'), 1)
  t.is(read.flows.length, 0)
})

test('text and JSON become the same flows', t => {
  const text = line('connection complete', `${ends} direction="outbound" bytes_sent=200 bytes_recv=603 duration="12ms"`)
  const json = {
    level: 'info',
    time: '2026-11-21T08:00:00.123456Z',
    scope: 'access',
    message: 'connection complete',
    'src.addr': '10.0.0.7:40000',
    'src.workload': 'curl-1',
    'src.namespace': 'shop',
    'src.identity': 'spiffe://cluster.local/ns/shop/sa/curl',
    'dst.addr': '10.0.0.9:15008',
    'dst.hbone_addr': '10.0.0.9:8080',
    'dst.service': 'web.shop.svc.cluster.local',
    'dst.workload': 'web-1',
    'dst.namespace': 'shop',
    'dst.identity': 'spiffe://cluster.local/ns/shop/sa/web',
    direction: 'outbound',
    bytes_sent: 200,
    bytes_recv: 603,
    duration: '12ms',
  }
  const [fromText, fromJson] = [text, JSON.stringify(json)].map(log => readAll([log], given).flows)
  t.deepEqual(fromText, fromJson)
  t.like(fromText[0], {
    bytes: 200,
    duration: 12_000_000,
    time: 1_795_248_000_123_456,
    encrypted: true,
    src_node: 'node-1',
    dst_service: 'shop/web',
  })
  t.like(fromText[1], { bytes: 603, is_reply: 'yes' })
})

test('through a waypoint, the pod that is told is at the address the tunnel goes to', t => {
  const { flows } = readAll(
    [
      line(
        'connection complete',
        `${ends.replace('hbone_addr=10.0.0.9:8080', 'hbone_addr=10.96.0.4:8080')} direction="outbound" bytes_sent=1 bytes_recv=0 duration="1ms"`,
      ),
    ],
    given,
  )
  t.like(flows[0], { dst_address: '10.0.0.9', dst_port: 8080, dst_service: 'shop/web' })
})

test('quoted values are what they were before they were quoted', t => {
  const read = readZtunnelText(line('connection complete', 'a="x \\"y\\" \\\\ \\n\\u{41}" b=c'))
  t.deepEqual(
    [...read!.values],
    [
      ['a', 'x "y" \\ \nA'],
      ['b', 'c'],
    ],
  )
})

test('any text after the head of a line is read in bounded time, and as nothing else than pairs', t => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), text => {
      const read = readZtunnelText(line('connection complete', text))
      t.true(read === undefined || read.values.size <= 64)
      readZtunnelDenial(`connection closed due to policy rejection: ${text}`)
      readAll([line('connection complete', `${ends} ${text}`)], given)
    }),
    { numRuns: 500 },
  )
})
