import { randomUUID } from 'node:crypto'
import test from 'ava'
import { requestMessage, toldIn } from '../../../enricher/reattribution/request.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { tombstoneOf } from '../../../runtime/bus/bus.ts'
import { type ObjectVersion, objectKey, openEnd } from '../../../schema/object.ts'
import { reattributionTopic } from '../../../schema/reattribution.ts'
import { kinds, topicOf } from '../../../schema/record.ts'
import { messageOf } from '../../helpers/blocks.ts'
import { hasClickHouse } from '../../helpers/clickhouse.ts'
import { until } from '../../helpers/wait.ts'
import { flows, hour, openWorld } from '../reattributing.ts'

const topic = topicOf(kinds.object)
const long = hour - 30 * 3600
const micros = (seconds: number) => seconds * 1e6

const pod = (uid: string, from: number, to?: number): ObjectVersion => ({
  source: 'kubernetes',
  cluster: 'east',
  kind: 'pod',
  namespace: 'shop',
  name: `${uid}-1`,
  uid,
  workload: uid,
  node: 'node-1',
  addresses: ['10.0.0.1'],
  time: micros(to ?? from),
  valid_from: micros(from),
  valid_to: to === undefined ? openEnd : micros(to),
})
const ancient = pod('ancient', long - 3600, long + 2 * 3600)
const lasting: ObjectVersion = { ...pod('lasting', long - 90 * 3600), addresses: ['10.0.0.2'] }
const objects = [ancient, pod('web', long + 5 * 3600), lasting]
/** The heartbeat: what is later is provisional, what is earlier is not. */
const beat: ObjectVersion = {
  source: 'kubernetes',
  cluster: 'east',
  kind: 'cluster',
  uid: 'east',
  time: Date.now() * 1000 + 3600e6,
  valid_from: 0,
  valid_to: openEnd,
}

async function tell(bus: Bus, versions: readonly ObjectVersion[]) {
  for (const version of versions) await bus.publish(topic, [{ ...(await messageOf('object', [version])), key: objectKey(version) }])
}

const ends = `SELECT src_workload AS workload, src_attribution AS attribution, src_attribution_reason AS reason, count() AS n FROM flow
WHERE src_address = toIPv6('10.0.0.{n}') AND src_claimed = 0 AND time {when} toDateTime(${hour - 24 * 3600}, 'UTC') GROUP BY ALL ORDER BY n DESC`

test('a record from before the history is nobody’s, is no newer pod’s, and is known again by a redo', async t => {
  if (!(await hasClickHouse(t))) return
  const often = { everyMs: 50, surveyEveryMs: 300 }
  await using world = await openWorld({ options: { reattribute: { settleMs: 0 }, history: often } })
  const read = async (n: number, when: string) =>
    (await world.clickhouse.query(ends.replace('{n}', String(n)).replace('{when}', when))).rows
  await tell(world.bus, [...objects, beat])
  await world.settled()
  await until('objects are stored', async () => {
    const { rows } = await world.clickhouse.query<{ n: number }>("SELECT count() AS n FROM object FINAL WHERE kind = 'pod'")
    return rows[0].n === objects.length
  })
  await until('the horizon', async () => {
    const found = await Array.fromAsync(world.bus.recent(topic, ({ control }) => control === 'history'))
    return found.length > 0
  })
  await world.bus.publish(topic, [tombstoneOf(objectKey(ancient))])
  await world.settled()
  await world.send('flow', [...flows(60, { from: long }), ...flows(60, { from: hour })])

  t.like(await read(1, '<'), [{ workload: '', attribution: 'none', reason: 'before_history' }])
  t.is((await read(1, '<')).length, 1)
  t.like(await read(2, '<'), [{ workload: 'lasting', attribution: 'ambiguous', reason: 'before_history' }])
  t.like(await read(1, '>='), [{ workload: 'web', attribution: 'exact', reason: 'object' }])
  const provisional = "SELECT countIf(provisional) AS n FROM flow WHERE time < toDateTime({to:UInt32}, 'UTC')"
  t.is((await world.clickhouse.query<{ n: number }>(provisional, { params: { to: hour - 86_400 } })).rows[0].n, 0)
  t.deepEqual((await world.clickhouse.query('SELECT DISTINCT kind FROM object ORDER BY kind')).rows, [{ kind: 'cluster' }, { kind: 'pod' }])

  const id = randomUUID()
  await world.bus.publish(reattributionTopic, [
    requestMessage({ id, kind: 'flow', from: long, to: long + 3600, provisional: false, dryRun: false }),
  ])
  const report = await until('an answer', async () => {
    for await (const message of world.bus.recent(reattributionTopic, () => true)) {
      const told = toldIn(message, id)
      if (told?.phase === 'done') return told
      if (told?.phase === 'failed') throw new Error(told.reason)
    }
  })
  t.like(report, { rows: 60 })
  t.like(await read(1, '<'), [{ workload: 'ancient', attribution: 'exact', reason: 'object' }])
  t.like(await read(2, '<'), [{ workload: 'lasting', attribution: 'exact', reason: 'object' }])
})
