import test from 'ava'
import { compress } from 'snappyjs'
import { remoteWrite } from '../../../collectors/prometheus/remote-write.ts'
import { prometheus } from '../../../collectors/prometheus/source.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { published, start } from '../hubble/running.ts'
import { encode, writeRequestType } from './protos.ts'
import { serve } from './running.ts'

/** Seven requests when nobody looked yet, and three more at each scrape. */
const exposition = (scrape: number) => `# TYPE istio_requests counter
istio_requests_total{reporter="destination",response_code="200",source_workload="web",destination_workload="cart"} ${7 + 3 * scrape}
# TYPE istio_request_duration_milliseconds histogram
istio_request_duration_milliseconds_bucket{le="5"} ${2 * scrape}
istio_request_duration_milliseconds_bucket{le="+Inf"} ${3 * scrape}
istio_request_duration_milliseconds_sum ${10 * scrape}
istio_request_duration_milliseconds_count ${3 * scrape}
# EOF
`

test('scraped metrics are on the bus as samples with what they grew by', async t => {
  let scrapes = 0
  await using server = await serve((_, response) => {
    response.setHeader('content-type', 'application/openmetrics-text; version=1.0.0')
    response.end(exposition(scrapes++))
  })
  await using bus = await openTestBus()
  const target = { address: server.address, labels: { namespace: 'shop', pod: 'cart-1' } }
  await using _ = start(prometheus, { targets: [target], interval: 0.1, cluster: 'home' }, bus.bus)
  const ofMetric = async (metric: string) => (await published(bus.bus, 'sample')).filter(row => row.metric === metric)
  const rows = await until('three samples', async () => {
    const found = await ofMetric('istio_requests_total')
    return found.length >= 3 && found
  })
  t.like(rows[1], { source: 'prometheus', reporter: 'shop/cart-1', cluster: 'home', type: 'counter', status_code: 200, delta: 3 })
  t.deepEqual((rows[1].labels as Record<string, string>).pod, 'cart-1')
  const [, second] = await ofMetric('istio_request_duration_milliseconds')
  t.like(second, { type: 'histogram', delta: 3, sum: 10, counts: [2, 1] })
})

test('written metrics are on the bus when they are answered, and what is sent again is not counted again', async t => {
  await using bus = await openTestBus()
  await using running = start(remoteWrite, { port: 0 }, bus.bus)
  const { detail } = await until('it to listen', () => running.statuses.at(-1))
  const url = `http://127.0.0.1:${(detail as { port: number }).port}/api/v1/write`
  const write = async (values: number[]) => {
    const now = 1_790_000_000_000
    const samples = values.map((value, i) => ({ value, timestamp: now + i * 15_000 }))
    const labels = Object.entries({ __name__: 'sent_total', instance: '10.0.0.7:9100' }).map(([name, value]) => ({ name, value }))
    const body = compress(encode(writeRequestType, { timeseries: [{ labels, samples }] }))
    const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' }
    return (await fetch(url, { method: 'POST', body, headers })).status
  }
  t.is(await write([10, 15]), 204)
  t.is((await published(bus.bus, 'sample')).length, 2)
  t.is(await write([10, 15, 19]), 204)
  const rows = await published(bus.bus, 'sample')
  t.deepEqual(
    rows.map(({ value, delta }) => [value, delta]),
    [
      [10, 0],
      [15, 5],
      [19, 4],
    ],
  )
  t.is(running.discarded.get('out_of_order')! + running.discarded.get('repeated')!, 2)
  t.like(rows[0], { source: 'remote_write', reporter: '10.0.0.7:9100', metric: 'sent_total', type: 'counter' })
})
