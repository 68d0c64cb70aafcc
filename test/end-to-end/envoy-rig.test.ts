import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { envoy } from '../../collectors/envoy/source.ts'
import { openTestBus } from '../helpers/bus.ts'
import { isEnvoyThere, openEnvoyRig } from '../helpers/envoy-rig.ts'
import { freePort } from '../helpers/hubble-rig.ts'
import { until } from '../helpers/wait.ts'
import { type Row, countBy } from '../collectors/envoy/decoding.ts'
import { published, start } from '../collectors/hubble/running.ts'

const client = 'shop/frontend-6d5f4c9b7d-x2x4q'
const server = 'shop/backend-7c8d9f6b5-k9m2p'
const kindOf = (row: Row) => (row.attributes as Record<string, string>)['http.request.header.x-rig-kind'] ?? 'bad_request'
const sum = (rows: readonly Row[], name: string) => rows.reduce((total, row) => total + Number(row[name]), 0)

test.serial('what two real Envoys tell of their traffic is what the traffic was', async t => {
  if (!(await isEnvoyThere(t))) return
  t.timeout(120_000)
  await using opened = await openTestBus()
  const port = await freePort()
  await using source = start(envoy, { port }, opened.bus)
  await until('the source', () => source.statuses.some(({ ready }) => ready))
  await using rig = await openEnvoyRig(port, { WITH_UPSTREAM_LOG: '1', FLUSH_ON_NEW_REQUEST: 'true', ENVOY_CONCURRENCY: '2' })
  const traffic = await rig.traffic(4)
  const { expect, status, flags } = traffic
  const by = (rows: readonly Row[], reporter: string) => rows.filter(row => row.reporter === reporter)
  await until(
    'all requests',
    async () => (await published(opened.bus, 'request')).length >= expect.client_http_end + expect.server_http_end,
  )
  const ends = expect.client_tcp_end + expect.server_tcp_end + expect.listener_nr
  await until('all connections', async () => sum(await published(opened.bus, 'flow'), 'connections') >= ends)
  await sleep(1500)
  const requests = await published(opened.bus, 'request')
  const flows = await published(opened.bus, 'flow')

  t.is(by(requests, client).length, expect.client_http_end)
  t.is(by(requests, server).length, expect.server_http_end)
  t.is(sum(flows, 'connections'), ends)
  t.is(source.discarded.get('undecodable'), undefined)
  for (const [kind, counts] of Object.entries(status)) {
    const codes = countBy(
      by(requests, client).filter(row => kindOf(row) === kind),
      row => row.status_code,
    )
    for (const [code, count] of Object.entries(counts)) if (/^\d{3}$/.test(code)) t.is(codes[code], count, `${kind} ${code}`)
  }
  for (const [kind, told] of Object.entries(flags)) {
    if (kind === 'ratelimited' || kind === 'eject') continue
    const flagsOf = (reporter: string) => [
      ...new Set(
        by(requests, reporter)
          .filter(row => kindOf(row) === kind)
          .map(row => row.response_flags || '-'),
      ),
    ]
    t.deepEqual(flagsOf(client), [told.client], kind)
    if (told.server) t.deepEqual(flagsOf(server), [told.server], kind)
  }
  const denials = flows.filter(row => row.verdict === 'dropped' && row.drop_reason !== 'no_filter_chain_or_route')
  t.deepEqual(
    countBy(denials, row => [row.reporter === server, row.event, row.policy_name, row.drop_reason, row.src_spiffe_id].join(' ')),
    {
      'true l7 deny-all policy_denied spiffe://cluster.local/ns/shop/sa/frontend': 4,
      'true l7  default_deny spiffe://cluster.local/ns/test/sa/sleep': 4,
      'true policy_verdict  default_deny spiffe://cluster.local/ns/test/sa/sleep': 4,
    },
  )
  t.is(flows.filter(row => row.response_flags === 'NR' && row.verdict === 'dropped').length, expect.listener_nr)
  for (const isReply of ['no', 'yes']) {
    const bytesAt = (reporter: string) =>
      sum(
        by(flows, reporter).filter(row => row.is_reply === isReply && row.layer === 'l4_proxy'),
        'bytes',
      )
    t.true(bytesAt(client) > 0)
    t.is(bytesAt(client), bytesAt(server))
  }
})

test.serial('a connection that its filter and its listener tell of is counted once', async t => {
  if (!(await isEnvoyThere(t))) return
  t.timeout(120_000)
  await using opened = await openTestBus()
  const port = await freePort()
  await using source = start(envoy, { port }, opened.bus)
  await until('the source', () => source.statuses.some(({ ready }) => ready))
  await using rig = await openEnvoyRig(port, { WITH_LISTENER_ALS: '1', KINDS: 'tcp_short,tcp_long,tcp_denied' })
  const { expect } = await rig.traffic(2)
  const ends = expect.client_tcp_end + expect.server_tcp_end
  // Where the listener is heard first, the last that is told while the connection lasts is a repetition, too.
  await until('the repetitions', () => (source.discarded.get('repeated') ?? 0) >= expect.server_tcp_end)
  await until('all connections', async () => sum(await published(opened.bus, 'flow'), 'connections') >= ends)
  t.is(sum(await published(opened.bus, 'flow'), 'connections'), ends)
})
