import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { keeperOf } from '../../enricher/history/keep.ts'
import { loadObjects } from '../../enricher/load.ts'
import { IdentityTable } from '../../enricher/tables/identities.ts'
import { ObjectTable } from '../../enricher/tables/objects.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { blockMessage } from '../../runtime/block/message.ts'
import type { Bus, Message } from '../../runtime/bus/bus.ts'
import { openEmbeddedBus } from '../../runtime/bus/embedded.ts'
import { openLog } from '../../runtime/log.ts'
import { type ObjectVersion, objectKey, openEnd } from '../../schema/object.ts'
import { kinds, topicOf } from '../../schema/record.ts'

// How much is kept after days in which pods come and go, and what a start costs then: with a history, and of all that ever was.
// usage: node test/benchmarks/forget.ts [--pods 400] [--days 7] [--hours 24]
const { values } = parseArgs({
  options: {
    pods: { type: 'string', default: '400' },
    days: { type: 'string', default: '7' },
    hours: { type: 'string', default: '24' },
    start: { type: 'string' },
  },
})
const [perHour, days, history] = [Number(values.pods), Number(values.days), Number(values.hours)]
const topic = topicOf(kinds.object)
const hour = 3600e6
const log = openLog({ write: () => {} })
const running = new AbortController().signal
/** What is told must have been told before the horizon, so the days begin now. */
const began = Math.ceil(Date.now() / 3_600_000) * hour

/** Pods that live for half an hour; each is told of when it has an address, when its service is known, and when it has ended. */
function* churn(at: number): Generator<ObjectVersion> {
  for (let i = 0; i < perHour; i++) {
    const n = at * perHour + i
    const from = began + at * hour + Math.floor((i * hour) / perHour)
    const ready = from + 5e6
    const end = from + hour / 2
    const first: ObjectVersion = {
      source: 'kubernetes',
      cluster: 'east',
      kind: 'pod',
      namespace: `team-${n % 40}`,
      name: `service-${n % 150}-6d4cf56db6-${n.toString(36)}`,
      uid: `5b1e2c4e-0000-4000-8000-${n.toString(16).padStart(12, '0')}`,
      workload: `service-${n % 150}`,
      workload_kind: 'Deployment',
      service_account: `service-${n % 150}`,
      node: `node-${n % 100}`,
      addresses: [`10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`],
      ports: ['tcp/8080', 'tcp/9090'],
      labels: [`app=service-${n % 150}`, 'pod-template-hash=6d4cf56db6', `team=${n % 40}`],
      time: from,
      valid_from: from,
      valid_to: openEnd,
    }
    const second = { ...first, services: [`team-${n % 40}/service-${n % 150}`], valid_from: ready }
    yield* [first, { ...second, time: ready }, { ...first, time: ready, valid_to: ready }, { ...second, time: end, valid_to: end }]
  }
}

const builder = new BlockBuilder(kinds.object, 1)
async function messageOf(version: ObjectVersion): Promise<Message> {
  builder.reset()
  builder.add(version)
  return { ...(await blockMessage(builder, { collector: '', run: 0, sequence: 0 })), key: objectKey(version) }
}

async function fill(bus: Bus, forgets: boolean) {
  const { tellHorizon, sweep } = keeperOf({ bus, topic, log, goneMs: 0, watchMs: 0 }, running)
  let swept = 0
  let sweeps = 0
  for (let at = 0; at < days * 24; at++) {
    const messages: Message[] = []
    for (const version of churn(at)) messages.push(await messageOf(version))
    for (let i = 0; i < messages.length; i += 1_000) await bus.publish(topic, messages.slice(i, i + 1_000))
    const horizon = began + (at + 1 - history) * hour
    if (!forgets || horizon <= began) continue
    const before = process.cpuUsage()
    await tellHorizon(horizon)
    await sweep(horizon, 0)
    const { user, system } = process.cpuUsage(before)
    swept += (user + system) / 1e6
    sweeps++
  }
  if (forgets) console.log(`a sweep every hour took ${((swept / sweeps) * 1000).toFixed(0)} ms of processor time each, tombstones included`)
}

const open = (file: string) => openEmbeddedBus({ path: file, log, retentionEveryMs: 500 })

/** In a process of its own: what an enricher does before it reads the first record. */
async function start(file: string) {
  await using bus = await open(file)
  const [objects, identities] = [new ObjectTable(), new IdentityTable()]
  const stop = new AbortController()
  const cpu = process.cpuUsage()
  const before = performance.now()
  const { followed } = await loadObjects(bus, [objects, identities], stop.signal, log)
  const ms = performance.now() - before
  const { user, system } = process.cpuUsage(cpu)
  stop.abort()
  await followed
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
  const [versions, bytes] = [objects.versions.toLocaleString('en'), (await stat(file)).size]
  const took = `start ${(ms / 1000).toFixed(2)} s, ${((user + system) / 1e6).toFixed(2)} s of processor time`
  console.log(`${versions} versions, ${took}, heap ${mib(heapUsed)}, resident ${mib(rss)}, file ${mib(bytes)}`)
}

if (values.start) await start(values.start)
else
  for (const forgets of [false, true]) {
    const directory = await mkdtemp(path.join(tmpdir(), 'weir-forget-'))
    const file = path.join(directory, 'bus.sqlite')
    {
      await using bus = await open(file)
      await bus.ensureTopic(topic, { compacted: true, ordered: true, tombstoneMs: 1_000 })
      await fill(bus, forgets)
    }
    console.log(forgets ? `${history} hours of history:` : `all of ${days} days:`)
    spawnSync(process.execPath, ['--expose-gc', import.meta.filename, '--start', file], { stdio: 'inherit' })
    await rm(directory, { recursive: true })
  }
