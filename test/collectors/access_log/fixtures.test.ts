import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Row, filled, podContext, readAll } from './reading.ts'

const recordings = process.env.WEIR_FIXTURES ?? '../shared/fixtures'

async function linesOf(t: ExecutionContext, file: string): Promise<string[] | undefined> {
  const text = await readFile(join(recordings, file), 'utf8').catch(() => undefined)
  if (text === undefined && process.env.CI) throw new Error(`no recording ${file}`)
  if (text === undefined) t.log(`skipped: no recording ${file}`)
  return text?.split('\n').filter(line => line !== '')
}

const count = (rows: readonly Row[], is: Partial<Row>) =>
  rows.filter(row => Object.entries(is).every(([name, value]) => row[name] === value)).length
const sum = (rows: readonly Row[], name: string, is: Partial<Row>) =>
  rows.filter(row => Object.entries(is).every(([key, value]) => row[key] === value)).reduce((all, row) => all + Number(row[name]), 0)

/** Files, and how many lines, requests and flows are in them; a real Envoy wrote text and JSON of the same traffic. */
const counts: [file: string, lines: number, requests: number, forward: number, replies: number, denials: number, interim: number][] = [
  ['envoy-rig/single/file_logs/client.access.txt', 184, 144, 40, 20, 0, 0],
  ['envoy-rig/single/file_logs/client.access.jsonl', 184, 124, 12, 8, 0, 48],
  ['envoy-rig/single/file_logs/server.access.txt', 157, 109, 48, 20, 8, 0],
  ['envoy-rig/single/file_logs/server.access.jsonl', 157, 89, 12, 8, 8, 56],
]
for (const [file, lines, requests, forward, replies, denials, interim] of counts)
  test(`${file}: ${requests} requests, ${forward} connections, ${denials} denials`, async t => {
    const all = await linesOf(t, file)
    if (!all) return t.pass()
    const read = readAll(all, { context: podContext('backend-1') })
    t.is(read.taken, lines)
    t.deepEqual(read.letters, [])
    t.is(read.requests.length, requests)
    t.is(count(read.flows, { type: 'l3_l4', is_reply: 'no' }), forward)
    t.is(count(read.flows, { is_reply: 'yes' }), replies)
    t.is(count(read.flows, { event: 'l7', verdict: 'dropped' }), denials)
    t.is(count(read.requests, { verdict: 'dropped' }), denials)
    t.is(read.discarded.get('interim') ?? 0, interim)
    t.is(sum(read.flows, 'connections', {}), forward)
  })

test('the text and the JSON of the same requests become the same rows, but for what only one of them has', async t => {
  const [text, json] = [
    await linesOf(t, 'envoy-rig/single/file_logs/server.access.txt'),
    await linesOf(t, 'envoy-rig/single/file_logs/server.access.jsonl'),
  ]
  if (!text || !json) return t.pass()
  const given = { context: podContext('backend-1') }
  const ends = new Set(readAll(json, given).requests.map(row => `${row.request_id}${row.time}${row.latency}${row.response_bytes}`))
  const ofOne = /^(attributes|trace_id|protocol|grpc_status|error|src_namespace)$|spiffe|service_account/
  const without = (row: Row) => Object.fromEntries(Object.entries(row).filter(([name]) => !ofOne.test(name)))
  const fromText = readAll(text, given).requests.filter(row => ends.has(`${row.request_id}${row.time}${row.latency}${row.response_bytes}`))
  const fromJson = readAll(json, given).requests
  for (const row of fromJson) {
    const other = fromText.find(candidate => candidate.request_id === row.request_id && candidate.latency === row.latency)
    t.deepEqual(without(other!), without(row))
  }
  t.is(count(fromJson, { src_spiffe_id: 'spiffe://cluster.local/ns/shop/sa/frontend', src_spiffe_id_source: 'certificate' }) > 0, true)
  t.is(count(fromJson, { protocol: 'grpc' }), 16)
})

test('a waypoint is told by its clusters: its lines are requests to the real address of the server', async t => {
  const lines = await linesOf(t, 'envoy/text/kiali-waypoint-with-cri-ts.log')
  if (!lines) return t.pass()
  const { requests, flows } = readAll(
    lines.map(line => line.slice(line.indexOf(' ') + 1)),
    { context: podContext('waypoint-5cb6c6977c-ln2h5', 'bookinfo') },
  )
  t.is(requests.length, 16)
  t.is(flows.length, 0)
  t.is(count(requests, { reporter_kind: 'waypoint', layer: 'l7_proxy', direction: 'ingress', src_pod: '', dst_pod: '' }), 16)
  t.like(requests[0], {
    reporter: 'bookinfo/waypoint-5cb6c6977c-ln2h5',
    src_address: '10.244.0.37',
    src_port: 52_134,
    dst_address: '10.244.0.32',
    dst_port: 9080,
    dst_service: 'bookinfo/details',
    response_bytes: 178,
    time: Date.parse('2025-01-30T12:10:13.279Z') * 1000,
  })
})

test('all recorded lines of ztunnel become two directions each, with the bytes that went that way', async t => {
  const lines = await linesOf(t, 'envoy/ztunnel/kiali-ztunnel.log')
  if (!lines) return t.pass()
  const { flows, taken } = readAll(lines, { context: podContext('ztunnel-abcde', 'istio-system') })
  t.is(taken, 28)
  t.is(flows.length, 56)
  t.is(sum(flows, 'connections', {}), 28)
  t.is(count(flows, { layer: 'l4_proxy', reporter_kind: 'ztunnel', reporter: 'node-1', verdict: 'forwarded' }), 56)
  t.is(count(flows, { encrypted: false }), 2)
})

test('the ztunnels at both ends of a connection tell of the same two directions', async t => {
  const lines = await linesOf(t, 'envoy/ztunnel/kiali-ztunnel.log')
  if (!lines) return t.pass()
  const both = lines.filter(line => line.includes('reviews-v3-7d99fd7978-qfjpc') || line.includes('details-v1-cf74bb974-p9prp'))
  const { flows } = readAll(both, { context: podContext('ztunnel-abcde', 'istio-system') })
  const told = (direction: string) =>
    flows
      .filter(row => row.direction === direction)
      .map(row => [row.is_reply, row.src_pod, row.dst_pod, row.src_namespace, row.dst_namespace, row.src_spiffe_id, row.bytes].join(' '))
      .sort()
  t.is(told('ingress').length, 4)
  t.deepEqual(told('egress'), told('ingress'))
})

test('what a proxy ejects is no access log, and a listener log is connections', async t => {
  const ejected = await linesOf(t, 'envoy-rig/single/file_logs/client.outlier.jsonl')
  const listener = await linesOf(t, 'envoy-rig/single/file_logs/server.listener.jsonl')
  if (!ejected || !listener) return t.pass()
  t.is(readAll(ejected).taken, 0)
  const { flows } = readAll(listener, { context: podContext('backend-1') })
  t.is(flows.length, 40)
  t.is(count(flows, { verdict: 'dropped', event: 'policy_verdict', drop_reason: 'default_deny' }), 4)
  t.is(count(flows, { verdict: 'dropped', drop_reason: 'no_filter_chain_or_route', response_flags: 'NR' }), 4)
  t.like(filled(flows.find(row => row.event === 'policy_verdict')!), {
    src_spiffe_id: 'spiffe://cluster.local/ns/test/sa/sleep',
    policy_source: 'log',
  })
})
