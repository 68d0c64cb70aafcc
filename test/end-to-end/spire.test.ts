import test from 'ava'
import { runCollector } from '../../collectors/main.ts'
import { runEnricher } from '../../enricher/main.ts'
import { drift } from '../../query-api/drift.ts'
import { objectKey, openEnd } from '../../schema/object.ts'
import { type KindName, kinds, topicOf } from '../../schema/record.ts'
import { pod, spiffe } from '../enricher/identity/objects.ts'
import { messageOf } from '../helpers/blocks.ts'
import { openTestBus } from '../helpers/bus.ts'
import { hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'
import { testService } from '../helpers/service.ts'
import { hasSpire, openSpire } from '../helpers/spire.ts'
import { until } from '../helpers/wait.ts'

const id = spiffe('/ns/shop/sa/cart')

test('a certificate is in order while SPIRE has its entry, and revoked once it is removed', async t => {
  if (!(await hasSpire(t)) || !(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  await using open = await openTestBus()
  await using server = await openSpire()
  const { clickhouse } = database
  const publish = async (kind: KindName, record: object, key?: string) =>
    open.bus.publish(topicOf(kinds[kind]), [{ ...(await messageOf(kind, [record])), key }])
  const cart = pod('10.0.0.1', 'cart')
  await publish('object', cart, objectKey(cart))
  const [entry] = await server.create({ id: '/ns/shop/sa/cart', selectors: ['k8s:ns:shop', 'k8s:sa:cart'] })

  const { context, stop } = testService()
  const servers = [{ address: server.address, cluster: 'east' }]
  const running = [
    runCollector({ bus: open.bus, options: { name: 'test', spire: { servers, every: 0.2 } } }, context),
    runEnricher({ bus: open.bus, clickhouse, options: { batch: { maxWaitMs: 50 } } }, context),
  ]
  const rows = async <T>(sql: string) => (await clickhouse.query<T>(sql)).rows
  const entries = (ended: boolean) =>
    `SELECT 1 FROM object FINAL WHERE kind = 'identity' AND (toUnixTimestamp64Micro(valid_to) < ${openEnd}) = ${ended}`
  await until('the entry', async () => (await rows(entries(false))).length)
  const seen = { source: 'envoy', cluster: 'east', src_address: '10.0.0.1', dst_address: '10.0.0.2', protocol: 'tcp', dst_port: 80 }
  const show = { ...seen, src_spiffe_id: id, src_spiffe_id_source: 'certificate' }
  const call = async (more: object) => {
    const time = Date.now() * 1000
    await publish('flow', { ...more, time, received: time })
  }
  const flows = () =>
    rows<{ id: string; source: string; check: string }>(
      'SELECT src_spiffe_id AS id, src_spiffe_id_source AS source, src_identity_check AS check FROM flow ORDER BY time, source DESC',
    )
  await call(seen)
  await call(show)
  await until('two flows', async () => (await flows()).length === 2)
  t.deepEqual(await flows(), [
    { id, source: 'spire', check: '' },
    { id, source: 'certificate', check: 'agrees' },
  ])

  await server.remove(entry)
  await until('its end', async () => (await rows(entries(true))).length)
  await call(show)
  await until('the third', async () => (await flows()).length === 3)
  t.is((await flows())[2].check, 'revoked')
  const answer = await drift({ limit: 10 }, { clickhouse })
  t.like(answer.rows[0], { check: 'revoked', end: 'client', seen: id, count: 1 })
  t.is(answer.rows[0].client.name, 'cart')
  stop()
  await Promise.allSettled(running)
})
