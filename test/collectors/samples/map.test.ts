import test from 'ava'
import { ask } from '../../../query-api/query.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { hasClickHouse, openTestDatabase } from '../../helpers/clickhouse.ts'
import { store } from '../../query-api/records.ts'
import { at, now, range } from '../../query-api/traffic.ts'
import { published } from '../hubble/running.ts'
import { startCollecting } from './collecting.ts'
import { atZero, fixture, lines, pointsOf } from './reader.ts'

test('a mesh of which there are only metrics has its map, each byte, connection and request counted once', async t => {
  const [ztunnel, sidecar] = ['prometheus/ztunnel-1.24.txt', 'prometheus/gloo-workshop-lines.txt'].map(name => fixture(t, name))
  if (ztunnel === undefined || sidecar === undefined || !(await hasClickHouse(t))) return
  await using opened = await openTestBus()
  await using collecting = await startCollecting(opened.bus)
  for (const [reporter, text] of Object.entries({ ztunnel, sidecar })) {
    const points = pointsOf(text, at(315))
    await collecting.take(atZero(points, at(300)), { reporter, cluster: 'one' })
    await collecting.take(points, { reporter, cluster: 'one' })
  }
  await collecting.flush()
  await using database = await openTestDatabase()
  const { clickhouse } = database
  const flows = await published(opened.bus, 'flow')
  const oriented = flows.map(flow => ({ ...flow, orientation: flow.is_reply === 'yes' ? 'reply' : 'forward' }))
  await store(clickhouse, 'flow', oriented)
  await store(clickhouse, 'request', await published(opened.bus, 'request'))
  const bytes = await ask(
    { ...range, metrics: ['bytes', 'connections'], by: ['orientation', 'src_workload', 'dst_workload'], where: 'src_namespace = default' },
    { clickhouse, now },
  )
  const edges = new Map(bytes.rows.map(([way, src, dst, ...values]) => [`${way} ${src} ${dst}`, values]))
  const told = [...lines(ztunnel)].flatMap(({ name, labels, value }) => {
    const label = Object.fromEntries(labels)
    return label.reporter === 'destination' ? [{ name, src: label.source_workload, dst: label.destination_workload, value }] : []
  })
  const truth = (name: string) => told.filter(line => line.name === name)
  t.is(edges.size, 2 * truth('istio_tcp_received_bytes_total').length)
  for (const { src, dst, value } of truth('istio_tcp_received_bytes_total')) t.is(edges.get(`forward ${src} ${dst}`)?.[0], value)
  for (const { src, dst, value } of truth('istio_tcp_sent_bytes_total')) t.is(edges.get(`reply ${dst} ${src}`)?.[0], value)
  for (const { src, dst, value } of truth('istio_tcp_connections_opened_total')) t.is(edges.get(`forward ${src} ${dst}`)?.[1], value)
  const requests = await ask({ ...range, metrics: ['requests', 'errors'], by: ['src_workload', 'dst_workload'] }, { clickhouse, now })
  const asked = [...lines(sidecar)].filter(({ name }) => name === 'istio_requests_total')
  t.is(requests.rows.reduce((all, [, , count]) => all + Number(count), 0), asked.reduce((all, { value }) => all + value, 0)) // prettier-ignore
  t.deepEqual(requests.rows[0].slice(0, 2), ['istio-ingressgateway-1-22', 'productpage-v1'])
})
