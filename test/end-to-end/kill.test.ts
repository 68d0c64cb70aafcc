import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { truth } from '../../collectors/demo/index.ts'
import { type ProcessName, countBy, startWeir } from '../helpers/weir.ts'
import { until } from '../helpers/wait.ts'

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0)

test('whichever process is killed with -9, every flow of the demo is stored once', async t => {
  t.timeout(400_000)
  await using weir = await startWeir(['--demo', '--rate', '500'], { WEIR_DEMO_HISTORY: '60' })
  await weir.following()
  const from = Math.ceil(Date.now() / 1000) * 1000
  for (const name of ['collect', 'enrich', 'demo', 'clickhouse', 'serve', 'collect', 'enrich'] as ProcessName[]) {
    await sleep(700)
    const pid = weir.pidOf(name)
    weir.kill(name)
    await until(`${name} to be started again`, () => weir.pidOf(name) && weir.pidOf(name) !== pid)
  }
  weir.kill('weir')
  await weir.ended()
  await weir.start()
  await sleep(1500)
  const to = Math.floor(Date.now() / 1000) * 1000
  const range = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
  const sent = await truth({ dataDir: weir.dataDir, from, to })
  await until('the last flows', async () => sum(await countBy(weir.url, 'flow', 'verdict', range)) >= sent.flows, {
    timeoutMs: 150_000,
    everyMs: 300,
  })
  await sleep(2000)
  t.deepEqual(await countBy(weir.url, 'flow', 'verdict', range), sent.verdicts)
  t.deepEqual(await countBy(weir.url, 'flow', 'type', range), sent.types)
  t.is(
    sum(await countBy(weir.url, 'request', 'phase', range)),
    sum(await countBy(weir.url, 'flow', 'type', range).then(({ l7 }) => ({ l7 }))),
  )
  t.is(sum(await countBy(weir.url, 'loss', 'reason', range)), 0)
  t.is(await weir.stop(), 0)
})
