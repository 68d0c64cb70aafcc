import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { runDemo, truth } from '../../../collectors/demo/index.ts'
import { hubble } from '../../../collectors/hubble/source.ts'
import { openPublisher } from '../../../collectors/publisher.ts'
import { openBlock } from '../../../runtime/block/message.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { untilCaughtUp } from '../../../runtime/bus/until-caught-up.ts'
import { openLog } from '../../../runtime/log.ts'
import { component } from '../../../runtime/telemetry.ts'
import type { Flow } from '../../../schema/flow.ts'
import { type KindName, kinds, topicOf } from '../../../schema/record.ts'
import type { Request } from '../../../schema/request.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'

const log = openLog({ write: () => {} })

async function recordsOn(bus: Bus, kind: KindName): Promise<Record<string, unknown>[]> {
  const records: Record<string, unknown>[] = []
  for await (const message of untilCaughtUp(bus, topicOf(kinds[kind]), new AbortController().signal))
    records.push(...openBlock(message).records())
  return records
}

function counts<T>(records: readonly T[], key: (record: T) => string | undefined): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const record of records) {
    const name = key(record)
    if (name !== undefined) sums[name] = (sums[name] ?? 0) + 1
  }
  return sums
}

test('the Hubble source collects from the demo what the truth says', async t => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-demo-'))
  t.teardown(() => rm(dataDir, { recursive: true }))
  await using owned = await openTestBus()
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  await using demo = await runDemo({ bus: owned.bus, dataDir, rate: 200, seed: 4, log, signal: stop.signal })
  const instruments = component('source', 'hubble')
  const [from, to] = [-20_000, -5_000].map(ago => Math.floor(Date.now() / 1000) * 1000 + ago)
  await using outbox = openPublisher({ bus: owned.bus, collector: 'test', log, instruments })
  const context = { outbox, signal: stop.signal, log, instruments, status: () => {} }
  const running = hubble.run({ address: demo.address, history: 30 }, context)

  const within = ({ time }: { time?: unknown }) => Number(time) >= from * 1000 && Number(time) < to * 1000
  const all = await until('the flows of the window', async () => {
    await outbox.flush()
    const flows = (await recordsOn(owned.bus, 'flow')) as Flow[]
    return flows.some(({ time }) => Number(time) > (to + 1000) * 1000) && flows
  })
  const requests = ((await recordsOn(owned.bus, 'request')) as Request[]).filter(within)
  const flows = all.filter(within)
  const expected = await truth({ dataDir, from, to })
  const verdicts = counts([...flows.filter(({ type }) => type !== 'l7'), ...requests], ({ verdict }) => verdict)
  t.deepEqual(verdicts, expected.verdicts)
  t.deepEqual(
    counts(flows, ({ drop_reason }) => drop_reason || undefined),
    expected.drop_reasons,
  )
  t.deepEqual(
    counts(flows, ({ verdict, policy_kind, policy_namespace, policy_name }) =>
      verdict === 'dropped' && policy_name ? `${policy_kind}/${policy_namespace}/${policy_name}` : undefined,
    ),
    expected.denied_by,
  )
  const label = (namespace?: string, workload?: string, entity?: string) =>
    workload ? `${namespace}/${workload}` : entity === 'world' ? 'world' : 'host'
  t.deepEqual(
    counts(requests, each => {
      const ends = `${label(each.src_namespace, each.src_workload, each.src_entity)} > ${label(each.dst_namespace, each.dst_workload, each.dst_entity)}`
      return `${ends} ${each.protocol} ${each.direction} ${each.phase}${each.phase === 'response' ? ` ${each.status_code}` : ''}`
    }),
    expected.requests,
  )
  t.true(
    flows.every(({ cluster }) => cluster === 'shop'),
    'the cluster of the objects',
  )
  stop.abort()
  await running
})
