import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { Random } from '../../collectors/demo/random.ts'
import { openApi } from '../helpers/churn-rig/api.ts'
import { type StoredPacket, judge } from '../helpers/churn-rig/judge.ts'
import { Kubelets } from '../helpers/churn-rig/kubelets.ts'
import { openPackets } from '../helpers/churn-rig/packets.ts'
import { hasApiServer, openTestCluster } from '../helpers/kubernetes.ts'
import { until } from '../helpers/wait.ts'
import { freePort, runCli, startWeir } from '../helpers/weir.ts'

const seed = Number(process.env.WEIR_SEED ?? 1)
/** How far the clocks of two of the six nodes are ahead, in milliseconds. */
const ahead = { 'node-4': 2000, 'node-5': -2000 }
const outageMs = 20_000

test('through churn, an outage of the API server, a cold enricher and wrong clocks nobody is taken for another, and who can be known is', async t => {
  if (!(await hasApiServer(t))) return
  t.timeout(600_000)
  await using cluster = await openTestCluster()
  const port = await freePort()
  const config = path.join(cluster.directory, 'weir.yaml')
  const kubernetes = { clusters: [{ name: 'home', kubeconfig: await cluster.kubeconfig('admin') }] }
  await writeFile(config, JSON.stringify({ collect: { netobserv: { port, cluster: 'home' }, kubernetes } }))
  await using weir = await startWeir(['--config', config])

  const random = new Random(seed, 7)
  const kubelets = new Kubelets(openApi(cluster), random, 6)
  await kubelets.open()
  const churning = new AbortController()
  const churn = kubelets.run(churning.signal)
  await until('pods', () => kubelets.alive(Date.now()).length > 30)
  const sent = await openPackets({ kubelets, port, random, ahead, late: 10_000 })
  const sending = new AbortController()
  const packets = sent.run(sending.signal)
  await sleep(14_000)
  const away = { from: Date.now(), to: Infinity }
  await cluster.killServer()
  await sleep(outageMs)
  await cluster.startServer()
  away.to = Date.now()
  await sleep(8000)
  weir.kill('enrich')
  await sleep(14_000)
  sending.abort()
  await packets
  churning.abort()
  await churn

  const judged = async () => judge({ packets: sent.packets, uses: kubelets.uses, away }, await storedPackets(weir.url))
  await until('all packets', async () => (await judged()).missing === 0, { timeoutMs: 120_000, everyMs: 2000 })
  const first = await judged()
  t.log(`seed ${seed}: ${sent.packets.length} packets of ${kubelets.uses.length} pods, as they were stored`, summary(first))
  t.deepEqual(first.wrong.slice(0, 20), [])

  const again = await runCli(['--data', weir.dataDir, 'reattribute', '--from', 'now-30m', '--to', 'now', '--kind', 'flow'])
  t.is(again.code, 0, again.stderr)
  const second = await judged()
  t.log('attributed again', summary(second))
  t.deepEqual(second.wrong.slice(0, 20), [])
  t.like(second, { missing: 0, doubled: 0 })
  t.true(second.determinable > 2000)
  // The rest are said to be ambiguous: around the start of an estimate of a clock, and, the more the slower the machine is, where many things
  // happen within a moment.
  t.true(second.right / second.determinable > 0.95, `${second.right} of ${second.determinable} are right`)
})

const summary = ({ wrong, answers, ...counts }: ReturnType<typeof judge>) => ({ ...counts, wrong: wrong.length, answers })

async function storedPackets(url: string): Promise<StoredPacket[]> {
  const rows: StoredPacket[] = []
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    const params = new URLSearchParams({ from: 'now-30m', where: 'source = netobserv', limit: '1000', ...(cursor && { cursor }) })
    const response = await fetch(`${url}/api/v1/records/flow?${params.toString()}`)
    const answer = (await response.json()) as { rows: StoredPacket[]; next?: string }
    rows.push(...answer.rows)
    cursor = answer.next
  }
  return rows.map(row => ({ ...row, bytes: Number(row.bytes) }))
}
