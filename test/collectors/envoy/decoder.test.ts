import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import { Block } from '../../../runtime/block/block.ts'
import { BlockBuilder } from '../../../runtime/block/builder.ts'
import { kinds } from '../../../schema/record.ts'
import { choices, scramble } from '../hubble/scramble.ts'
import { logMessage } from './arbitrary.ts'
import { type Row, countBy, introducedBy, openDecoding, received } from './decoding.ts'
import type { LogMessage } from './plain.ts'
import { type DecodedEntry, areThere, decodedEntries, messageType, recordedStreams, recordedTraffic } from './recordings.ts'
import { referenceRows } from './reference.ts'

async function isSkipped(t: ExecutionContext): Promise<boolean> {
  if (await areThere()) return false
  t.log('skipped: no recordings of Envoy beside the checkout')
  if (process.env.CI) t.fail()
  else t.pass()
  return true
}

async function decodeRecorded() {
  const decoding = openDecoding()
  const rows: { flow: Row[]; request: Row[]; interim: number; entries: number }[] = []
  for (const stream of await recordedStreams()) {
    const { interim, entries } = decoding.decodeStream(stream)
    rows.push({ flow: decoding.rows('flow'), request: decoding.rows('request'), interim, entries })
  }
  const [serverHttp, clientHttp, clientTcp, serverTcp, listener] = rows
  return { serverHttp, clientHttp, clientTcp, serverTcp, listener }
}

const kindOf = (row: Row) => (row.attributes as Record<string, string>)['http.request.header.x-rig-kind'] ?? '?'

test('each request a real Envoy served is one row at its proxy and one at the proxy of its client, and nothing else is', async t => {
  if (await isSkipped(t)) return
  const { expect, sent } = await recordedTraffic()
  const { clientHttp, serverHttp } = await decodeRecorded()
  t.is(clientHttp.request.length, expect.client_http_end)
  t.is(serverHttp.request.length, expect.server_http_end)
  t.deepEqual([clientHttp.interim, serverHttp.interim], [20, 20])
  const byKind = countBy(clientHttp.request, kindOf)
  for (const [kind, count] of Object.entries(sent))
    if (!kind.startsWith('tcp_') && !kind.includes('_to_mtls') && !kind.startsWith('tls_'))
      t.is(byKind[kind === 'bad_request' ? '?' : kind], count, kind)
})

test('response codes and flags are those the client got and the proxies told', async t => {
  if (await isSkipped(t)) return
  const { status, flags } = await recordedTraffic()
  const { clientHttp, serverHttp } = await decodeRecorded()
  for (const [kind, counts] of Object.entries(status)) {
    const rows = clientHttp.request.filter(row => kindOf(row) === kind)
    for (const [code, count] of Object.entries(counts))
      if (/^\d{3}$/.test(code)) t.is(countBy(rows, row => row.status_code)[code], count, `${kind} ${code}`)
  }
  const told = (rows: Row[], kind: string) => [...new Set(rows.filter(row => kindOf(row) === kind).map(row => row.response_flags))]
  for (const [kind, { client, server }] of Object.entries(flags)) {
    const of = kind === 'bad_request' ? '?' : kind
    if (kind !== 'ratelimited' && kind !== 'eject') t.deepEqual(told(clientHttp.request, of), [client === '-' ? '' : client], kind)
    if (server) t.deepEqual(told(serverHttp.request, kind), [server === '-' ? '' : server], kind)
  }
})

test('only the proxy of the server denied, by the policy it names, and each denial is a flow besides', async t => {
  if (await isSkipped(t)) return
  const { clientHttp, serverHttp, serverTcp, clientTcp } = await decodeRecorded()
  const denied = (rows: Row[]) =>
    countBy(
      rows.filter(row => row.verdict === 'dropped'),
      row => `${row.policy_kind}/${row.policy_namespace}/${row.policy_name} ${row.drop_reason} ${row.policy_source}`,
    )
  const http = { 'AuthorizationPolicy/shop/deny-all policy_denied dataplane': 4, 'AuthorizationPolicy// default_deny dataplane': 4 }
  t.deepEqual(denied(serverHttp.request), http)
  t.deepEqual(denied(serverHttp.flow), http)
  t.true(serverHttp.flow.every(row => row.event === 'l7' && row.type === 'l7' && row.connections === 0))
  t.deepEqual(denied(clientHttp.request), {})
  t.is(clientHttp.request.filter(row => row.status_code === 403).length, 8)
  t.deepEqual(denied(serverTcp.flow), { 'AuthorizationPolicy// default_deny log': 4 })
  t.deepEqual(denied(clientTcp.flow), {})
})

test('a dry run never denies: what it would have denied is audited, by its name', async t => {
  if (await isSkipped(t)) return
  const { serverHttp, serverTcp } = await decodeRecorded()
  const audited = serverHttp.request.filter(row => row.verdict === 'audit')
  t.deepEqual(
    countBy(audited, row => (row.attributes as Record<string, string>).dry_run_denied_by),
    { none: 20, 'shop/dry-run-deny': 4 },
  )
  t.true(audited.every(row => row.status_code === 200))
  t.deepEqual(
    countBy(
      serverTcp.flow.filter(row => row.verdict === 'audit' && row.is_reply === 'no' && row.end_reason === 'closed'),
      row => row.policy_name,
    ),
    { 'dry-run-deny-tcp': 8 },
  )
})

test('who the peers are is read out of their certificates, and of what a proxy says of itself', async t => {
  if (await isSkipped(t)) return
  const { serverHttp, clientHttp } = await decodeRecorded()
  t.deepEqual(
    countBy(serverHttp.request, row => [row.src_spiffe_id, row.src_spiffe_id_source, row.src_namespace, row.src_service_account].join(' ')),
    {
      'spiffe://cluster.local/ns/shop/sa/frontend certificate shop frontend': 85,
      'spiffe://cluster.local/ns/test/sa/sleep certificate test sleep': 4,
    },
  )
  const own = ['pod', 'namespace', 'workload', 'workload_kind', 'service_account', 'cluster', 'node', 'address', 'service']
  const said = (row: Row, end: string) => own.map(name => row[`${end}_${name}`]).join(' ')
  t.deepEqual(Object.keys(countBy(serverHttp.request, row => said(row, 'dst'))), [
    'backend-7c8d9f6b5-k9m2p shop backend Deployment backend Kubernetes worker-1 10.244.1.22 shop/backend',
  ])
  t.deepEqual(Object.keys(countBy(clientHttp.request, row => said(row, 'src'))), [
    'frontend-6d5f4c9b7d-x2x4q shop frontend Deployment frontend Kubernetes worker-1 10.244.0.11 ',
  ])
  t.deepEqual(
    countBy([...serverHttp.request, ...clientHttp.request], row => row.direction),
    { ingress: 89, egress: 124 },
  )
  t.false([...serverHttp.request, ...clientHttp.request].some(row => `${row.src_address} ${row.dst_address}`.includes('127.')))
})

test('the status of gRPC is read from trailers, and from headers when there are no others', async t => {
  if (await isSkipped(t)) return
  const { clientHttp, serverHttp } = await decodeRecorded()
  for (const { request } of [clientHttp, serverHttp])
    t.deepEqual(
      countBy(
        request.filter(row => row.protocol === 'grpc'),
        row => `${kindOf(row)} ${row.grpc_status} ${row.error}`,
      ),
      {
        'grpc_ok OK false': 4,
        'grpc_fail INTERNAL true': 4,
        'grpc_trailers_only PERMISSION_DENIED false': 4,
        'grpc_watch OK false': 4,
      },
    )
})

test('each connection is counted once, and its bytes once, whatever was told while it lasted', async t => {
  if (await isSkipped(t)) return
  const { clientTcp, serverTcp } = await decodeRecorded()
  const sum = (rows: Row[], name: string) => rows.reduce((total, row) => total + Number(row[name]), 0)
  for (const { flow, entries } of [clientTcp, serverTcp]) {
    t.is(sum(flow, 'connections'), 12)
    t.is(flow.filter(row => row.end_reason === 'active_timeout').length, 24)
    t.is(entries, flow === clientTcp.flow ? 40 : 48)
  }
  // Four short ones of one PING, four of thirteen in 3.2 s, four that were denied after one.
  t.is(
    sum(
      clientTcp.flow.filter(row => row.is_reply === 'no'),
      'bytes',
    ),
    sum(
      serverTcp.flow.filter(row => row.is_reply === 'no'),
      'bytes',
    ),
  )
  const types = await messageType()
  const [, , stream] = await recordedStreams()
  const ends = stream.flatMap(message => {
    const { tcpLogs } = types.toObject(types.decode(message), { longs: Number }) as LogMessage
    return (tcpLogs?.logEntry ?? []).filter(entry => entry.commonProperties?.accessLogType === 3)
  })
  const told = (name: 'receivedBytes' | 'sentBytes') => ends.reduce((total, entry) => total + (entry.connectionProperties?.[name] ?? 0), 0)
  t.is(
    sum(
      clientTcp.flow.filter(row => row.is_reply === 'no'),
      'bytes',
    ),
    told('receivedBytes'),
  )
  t.is(
    sum(
      clientTcp.flow.filter(row => row.is_reply === 'yes'),
      'bytes',
    ),
    told('sentBytes'),
  )
})

test('what a listener turned away is a flow that says why', async t => {
  if (await isSkipped(t)) return
  const { listener } = await decodeRecorded()
  t.is(listener.flow.length, 4)
  for (const row of listener.flow) {
    t.like(row, { verdict: 'dropped', drop_reason: 'no_filter_chain_or_route', response_flags: 'NR', direction: 'ingress', connections: 1 })
    t.regex(String(row.end_reason), /HTTP_REQUEST/)
  }
})

const nanosOf = (seconds?: string) => Math.round(Number(seconds?.replace('s', '') ?? 0) * 1e9)
const numberOf = (...texts: readonly (string | undefined)[]) => texts.reduce((total, text) => total + Number(text ?? 0), 0)

/** What a row says of an entry that another program read. */
function rowOf({ common_properties: common, request = {}, response = {} }: DecodedEntry): Row {
  const { tls_properties: tls } = common
  return {
    latency: nanosOf(common.time_to_last_downstream_tx_byte ?? common.duration),
    upstream_cluster: common.upstream_cluster ?? '',
    attempts: common.upstream_request_attempt_count ?? 0,
    src_port: common.downstream_direct_remote_address.socket_address.port_value,
    sni: tls?.tls_sni_hostname ?? '',
    src_spiffe_id: tls?.peer_certificate_properties?.subject_alt_name?.[0].uri ?? '',
    method: request.request_method ?? '',
    path: request.original_path ?? request.path ?? '',
    trace_id: request.request_headers?.traceparent?.split('-')[1] ?? '',
    request_bytes: numberOf(request.request_headers_bytes, request.request_body_bytes),
    response_bytes: numberOf(response.response_headers_bytes, response.response_body_bytes),
    status_code: response.response_code ?? 0,
    response_details: response.response_code_details ?? '',
  }
}

test('rows say what another program read out of the same entries', async t => {
  if (await isSkipped(t)) return
  const { clientHttp, serverHttp } = await decodeRecorded()
  const rows = new Map([...clientHttp.request, ...serverHttp.request].map(row => [`${row.direction} ${row.connection_id}`, row]))
  const kinds = { client: new Set<string>(), server: new Set<string>() }
  for (const { role, kind, type, entry } of await decodedEntries()) {
    const id = entry.common_properties.stream_id
    const row = id && type === 'DownstreamEnd' && rows.get(`${role === 'client' ? 'egress' : 'ingress'} ${id}`)
    // Attempts of one request share its id.
    if (!row || (kind === 'retry' && role === 'server')) continue
    t.like(row, rowOf(entry), `${role} ${kind}`)
    kinds[role as 'client' | 'server'].add(kind)
  }
  t.deepEqual([kinds.client.size, kinds.server.size], [30, 20])
})

test('a block that is full in the middle of a message, or of an entry, loses and repeats nothing', async t => {
  if (await isSkipped(t)) return
  const streams = await recordedStreams()
  const whole = openDecoding()
  for (const stream of streams) whole.decodeStream(stream)
  const [flow, request] = [whole.rows('flow'), whole.rows('request')]
  for (const capacity of [1, 2, 3, 7]) {
    const small = openDecoding({ capacity })
    for (const stream of streams) small.decodeStream(stream)
    t.deepEqual(small.rows('flow'), flow)
    t.deepEqual(small.rows('request'), request)
  }
})

/** The row as a block gives it back. */
function throughBlock(kind: 'flow' | 'request', rows: readonly Row[]): Row[] {
  const builder = new BlockBuilder(kinds[kind], 16)
  for (const row of rows) builder.add(row)
  return new Block(builder.encode(), kinds[kind]).records() as Row[]
}

test('any message decodes to what the reference decoder makes of it, in whatever legal form it comes', async t => {
  if (await isSkipped(t)) return
  const type = await messageType()
  fc.assert(
    fc.property(logMessage, choices, fc.boolean(), (plain, by, isScrambled) => {
      const { decode, rows } = openDecoding({ capacity: 16 })
      const bytes = Buffer.from(type.encode(type.fromObject(plain)).finish())
      const message = isScrambled ? scramble(type, bytes, by) : bytes
      const expected = referenceRows(type.toObject(type.decode(message), { longs: Number }), '10.9.9.9', received)
      const tally = decode(message, introducedBy(Buffer.alloc(0)))
      t.deepEqual(rows('request'), throughBlock('request', expected.request))
      t.deepEqual(rows('flow'), throughBlock('flow', expected.flow))
      t.is(tally.interim, expected.interim)
    }),
    { numRuns: 250 },
  )
})

test('broken bytes throw nothing but UndecodableError, and what comes after them is read as ever', async t => {
  if (await isSkipped(t)) return
  const streams = await recordedStreams()
  const messages = streams.flatMap(stream => stream.slice(1, 12))
  const { decode, rows } = openDecoding({ capacity: 64 })
  const attempt = (bytes: Buffer) => {
    try {
      decode(bytes, introducedBy(bytes))
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => attempt(Buffer.from(bytes))),
    { numRuns: 1000 },
  )
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), fc.nat({ max: 255 }), (which, cut, at, byte) => {
      const message = messages[which % messages.length]
      attempt(message.subarray(0, cut % message.length))
      const changed = Buffer.from(message)
      changed[at % changed.length] = byte
      attempt(changed)
    }),
    { numRuns: 2000 },
  )
  rows('flow')
  rows('request')
  const [stream] = streams
  t.is(decode(stream[1], introducedBy(stream[0])).entries, 1)
  const fresh = openDecoding()
  fresh.decode(stream[1], introducedBy(stream[0]))
  t.deepEqual(rows('request'), fresh.rows('request'))
})
