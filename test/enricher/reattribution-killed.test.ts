import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { hasClickHouse } from '../helpers/clickhouse.ts'
import { digests, flows, hour, openWorld } from './reattributing.ts'

const script = fileURLToPath(new URL('reattribute-process.ts', import.meta.url))
const rounds = 4

test('whenever its process is killed with -9, somebody else goes on and all is exact', async t => {
  if (!(await hasClickHouse(t))) return
  await using world = await openWorld()
  await world.send('flow', flows(1_200))
  await world.send('flow', flows(300, { from: hour + 3600 }))
  const all = () => digests(world.clickhouse, 'flow', hour, hour + 7200)
  const unknown = await all()
  const start = (id: string, knows: string) =>
    spawn(process.execPath, [script, world.url, world.database, world.busPath, id, knows], { stdio: 'inherit' })
  const steps = async () => (await world.clickhouse.query<{ step: number }>('SELECT max(step) AS step FROM reattribution')).rows[0].step
  let known: Record<string, string> | undefined
  for (let round = 0; round < rounds; round++) {
    const knows = round % 2 ? 'unknown' : 'known'
    const before = await steps()
    // Somewhere within: after its first step, a bit later each time.
    const child = start(`round-${round}`, knows)
    const closed = once(child, 'close')
    while (child.exitCode === null && (await steps()) < before + 2) await sleep(10)
    await sleep(round * 150)
    child.kill('SIGKILL')
    await closed
    const [code] = (await once(start(`round-${round}`, knows), 'close')) as [number]
    t.is(code, 0)
    const now = await all()
    if (knows === 'known') t.notDeepEqual(now, unknown)
    t.deepEqual(now, knows === 'unknown' ? unknown : (known ??= now))
    const { rows } = await world.clickhouse.query<{ n: number }>(
      'SELECT (SELECT count() FROM flow) + (SELECT sum(records) FROM flow_1m) + (SELECT sum(records) FROM flow_1h) AS n',
    )
    t.is(rows[0].n, 4_500)
  }
})
