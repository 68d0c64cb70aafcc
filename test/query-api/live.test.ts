import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { live } from '../../query-api/live.ts'
import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import { openEnd } from '../../schema/object.ts'
import { kinds } from '../../schema/record.ts'
import { blockOf } from '../helpers/arbitrary.ts'
import { hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'

const waitMs = 6_000

/** How many milliseconds after they were received records are shown. */
async function shownAfter(clickhouse: ClickHouse, port: number): Promise<number> {
  const ended = new AbortController()
  const shown = (async () => {
    const options = { clickhouse, kind: kinds.flow, where: `src_port = ${port}`, objectsWaitMs: waitMs, signal: ended.signal, everyMs: 200 }
    for await (const { rows } of live(options)) if (rows.length) return Date.now()
    return Infinity
  })()
  await sleep(500)
  const received = Date.now()
  const flow = { time: received * 1000, received: received * 1000, src_port: port }
  await clickhouse.insertNative('flow', [blockOf(kinds.flow, [flow]).encode()], { token: String(port) })
  const at = await shown
  ended.abort()
  return at - received
}

test('records are shown later by as much as they may wait, where a cluster has heartbeats', async t => {
  if (!(await hasClickHouse(t))) return
  await using database = await openTestDatabase()
  const { clickhouse } = database
  t.true((await shownAfter(clickhouse, 1)) >= 2_500)
  const heartbeat = { kind: 'cluster', cluster: 'east', name: 'east', uid: 'east', time: Date.now() * 1000, valid_to: openEnd }
  await clickhouse.insertNative('object', [blockOf(kinds.object, [heartbeat]).encode()], { token: 'heartbeat' })
  t.true((await shownAfter(clickhouse, 2)) >= 2_500 + waitMs)
})
