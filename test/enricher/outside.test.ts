import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { runEnricher } from '../../enricher/main.ts'
import { kinds, topicOf } from '../../schema/record.ts'
import { messageOf } from '../helpers/blocks.ts'
import { openTestBus } from '../helpers/bus.ts'
import { hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'
import { mmdbOf } from '../helpers/mmdb.ts'
import { testService } from '../helpers/service.ts'
import { until } from '../helpers/wait.ts'
import { objectsOf } from './enriched.ts'

const time = Date.now() * 1000
const seen = { time, source: 'test', cluster: 'east', src_address: '10.1.0.1' }

test('what is outside, or in another cluster, is stored with what the configuration and the answers of DNS tell of it', async t => {
  if (!(await hasClickHouse(t))) return
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-outside-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const [asn, country] = ['asn.mmdb', 'country.mmdb'].map(name => path.join(directory, name))
  await writeFile(asn, mmdbOf({ '203.0.113.0/24': { autonomous_system_number: 64_500, autonomous_system_organization: 'Example Net' } }))
  await writeFile(country, mmdbOf({ '203.0.113.0/24': { country: { iso_code: 'DE' } } }))
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  const { clickhouse } = database
  const publish = async (kind: 'object' | 'request' | 'flow', ...records: object[]) =>
    bus.bus.publish(topicOf(kinds[kind]), [
      { ...(await messageOf(kind, records)), key: kind === 'object' ? JSON.stringify(records) : undefined },
    ])
  const [east, west] = ['east', 'west'].map(objectsOf)
  await publish('object', east.pod('web-1', '10.1.0.1'), west.pod('cart-1', '10.2.0.1'))
  const { context, stop } = testService()
  const running = runEnricher(
    {
      bus: bus.bus,
      clickhouse,
      options: {
        batch: { maxWaitMs: 50 },
        maxmind: { asn, country },
        egress: { payments: ['203.0.113.7'] },
        reachable: { meshes: [['east', 'west']] },
      },
    },
    context,
  )
  const answers = { protocol: 'dns', phase: 'response', dns_query: 'api.example.org.', dns_answers: ['203.0.113.1'], dns_ttl: 60 }
  await publish('request', { ...seen, ...answers, dst_address: '10.1.0.53' })
  await until('the answer', async () => (await clickhouse.query('SELECT 1 FROM request')).rows.length)
  await publish('flow', ...['10.2.0.1', '203.0.113.1', '203.0.113.7'].map((dst_address, i) => ({ ...seen, dst_address, dst_port: i })))
  await until('the flows', async () => (await clickhouse.query('SELECT 1 FROM flow')).rows.length === 3)
  const { rows } = await clickhouse.query(
    'SELECT dst_cluster AS cluster, dst_pod AS pod, dst_network AS network, dst_as AS number, dst_as_name AS name, dst_country AS country, dst_dns_name AS dns FROM flow ORDER BY dst_port',
  )
  const outside = { cluster: '', pod: '', number: 64_500, name: 'Example Net', country: 'DE' }
  t.deepEqual(rows, [
    { cluster: 'west', pod: 'cart-1', network: '', number: 0, name: '', country: '', dns: '' },
    { ...outside, network: 'internet', dns: 'api.example.org' },
    { ...outside, network: 'payments', dns: '' },
  ])
  stop()
  await running.catch(() => {})
})
