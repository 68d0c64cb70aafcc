import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { hasClickHouse } from '../helpers/clickhouse.ts'
import { type World, contents, digests, edges, flows, hour, openWorld, spanHour, spans } from './reattributing.ts'

const script = fileURLToPath(new URL('reattribute-process.ts', import.meta.url))

interface Killing {
  from: number
  rounds: number
  fill(world: World): Promise<unknown>
  seen(world: World): Promise<unknown>
  /** After how many of its steps a process is killed, and how much later. */
  steps(round: number): number
  afterMs(round: number): number
}

const killings: Record<'flow' | 'span', Killing> = {
  flow: {
    from: hour,
    rounds: 4,
    async fill(world) {
      await world.send('flow', flows(1_200))
      await world.send('flow', flows(300, { from: hour + 3600 }))
    },
    seen: ({ clickhouse }) => digests(clickhouse, 'flow', hour, hour + 7200),
    steps: () => 2,
    afterMs: round => round * 150,
  },
  span: {
    from: spanHour - 3600,
    rounds: 4,
    async fill(world) {
      await world.send('span', spans(600))
      await world.makeEdges()
    },
    seen: async ({ clickhouse }) => [await contents(clickhouse, 'span', spanHour - 3600, spanHour + 3600), await edges(clickhouse)],
    // Those of the edges come after those of the spans.
    steps: round => 2 + round * 3,
    afterMs: () => 50,
  },
}

for (const [kind, { from, rounds, fill, seen, steps: stepsBefore, afterMs }] of Object.entries(killings))
  test.serial(`${kind}: whenever its process is killed with -9, somebody else goes on and all is exact`, async t => {
    if (!(await hasClickHouse(t))) return
    await using world = await openWorld()
    await fill(world)
    const total = async () =>
      (
        await world.clickhouse.query<{ n: number; made: number }>(
          `SELECT (SELECT count() FROM ${kind}) + (SELECT sum(records) FROM ${kind}_1m) + (SELECT sum(records) FROM ${kind}_1h) AS n, (SELECT count() FROM span_edge) AS made`,
        )
      ).rows[0]
    const [unknown, before] = [await seen(world), await total()]
    const start = (id: string, knows: string) =>
      spawn(process.execPath, [script, world.url, world.database, world.busPath, id, knows, kind, String(from)], { stdio: 'inherit' })
    const stepsOf = `SELECT sum(step) AS steps FROM (SELECT max(step) AS step FROM reattribution WHERE startsWith(kind, '${kind}') GROUP BY kind)`
    const steps = async () => (await world.clickhouse.query<{ steps: number }>(stepsOf)).rows[0].steps
    let known: unknown
    for (let round = 0; round < rounds; round++) {
      const knows = round % 2 ? 'unknown' : 'known'
      const first = await steps()
      // Somewhere within, a bit later each time.
      const child = start(`round-${round}`, knows)
      const closed = once(child, 'close')
      while (child.exitCode === null && (await steps()) < first + stepsBefore(round)) await sleep(10)
      await sleep(afterMs(round))
      child.kill('SIGKILL')
      await closed
      const [code] = (await once(start(`round-${round}`, knows), 'close')) as [number]
      t.is(code, 0)
      const now = await seen(world)
      if (knows === 'known') t.notDeepEqual(now, unknown)
      t.deepEqual(now, knows === 'unknown' ? unknown : (known ??= now))
      const { n, made } = await total()
      t.is(n, before.n)
      if (knows === 'unknown') t.is(made, before.made, 'nothing is left of what was written meanwhile')
    }
  })
