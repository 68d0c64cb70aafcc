import { appendFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { mixed } from '../collectors/access_log/lines.ts'
import { until } from '../helpers/wait.ts'
import { countBy, startWeir } from '../helpers/weir.ts'

const hourMs = 3_600_000
const base = Math.floor(Date.now() / hourMs - 1) * hourMs
const range = { from: new Date(base - hourMs).toISOString(), to: new Date(base + hourMs).toISOString() }
const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0)

test('a collector that is killed with -9 while proxies log stores each line once, through a rotation', async t => {
  t.timeout(300_000)
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-log-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const folder = path.join(directory, 'shop_web-1_0a1b2c3d-0000-4000-8000-000000000000', 'istio-proxy')
  const [log, config] = [path.join(folder, '0.log'), path.join(directory, 'weir.yaml')]
  await mkdir(folder, { recursive: true })
  await writeFile(log, '')
  await writeFile(config, JSON.stringify({ collect: { access_log: { paths: [path.join(directory, '*/istio-proxy/*.log')] } } }))
  await using weir = await startWeir(['--config', config])
  let written = 0
  for (let round = 0; round < 12; round++) {
    await appendFile(log, mixed(written, (written += 100), base))
    await sleep(100)
    if (round % 3 === 1) {
      await until('the collector to run', () => weir.pidOf('collect') !== undefined)
      weir.kill('collect')
    }
    if (round === 7) {
      await rename(log, `${log}.20261121-100000`)
      await writeFile(log, '')
    }
  }
  const counts = async () => [
    sum(await countBy(weir.url, 'request', 'phase', range)),
    sum(await countBy(weir.url, 'flow', 'is_reply', range)),
  ]
  await until('all lines', async () => (await counts())[0] >= written && (await counts())[1] >= 2 * written, { timeoutMs: 120_000 })
  await sleep(2000)
  t.deepEqual(await counts(), [written, 2 * written])
  t.is(await weir.stop(), 0)
})
