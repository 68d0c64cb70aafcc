import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Bus } from '../../runtime/bus/bus.ts'
import { startBrokers } from '../helpers/kafka/broker.ts'
import { connect, defaultsFor } from '../helpers/kafka/bus.ts'

// What the bus on Kafka costs its clients: node test/benchmarks/kafka.ts [--bytes 200000] [--messages 2000] [--partitions 4]
const { values } = parseArgs({
  options: {
    bytes: { type: 'string', default: '200000' },
    messages: { type: 'string', default: '2000' },
    partitions: { type: 'string', default: '4' },
  },
})
const messages = Number(values.messages)
const body = randomBytes(Number(values.bytes))

async function measure(name: string, bytes: number, work: () => Promise<void>) {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const milliseconds = (user + system) / 1000
  const each = bytes
    ? `${(milliseconds / (bytes / 1e6)).toFixed(2)} ms of processor time per MB`
    : `${(milliseconds / 10 / seconds).toFixed(1)} % of a core`
  console.log(`${name.padEnd(44)} ${(bytes / 1e6 / seconds).toFixed(1).padStart(7)} MB/s   ${each}`)
}

async function readAll(bus: Bus, group: string) {
  let read = 0
  await using _ = await bus.subscribe('t', group, async ({ read: next, commit, signal }) => {
    while (!signal.aborted) {
      const some = await next()
      read += some.length
      if (some.length) await commit({ offset: some.at(-1)!.offset + 1, metadata: '' })
    }
  })
  for (;;) {
    if (read >= messages) return
    await sleep(5)
  }
}

await using kafka = await startBrokers()
await using bus = await connect(kafka.addresses.join(), { create: { ...defaultsFor(1), partitions: Number(values.partitions) } })
await bus.ensureTopic('t')
await bus.ensureTopic('idle')
const publish = () => bus.publish('t', [{ headers: { kind: 'flow' }, body }])
await publish()
await measure('one call at a time', (messages / 2) * body.length, async () => {
  for (let n = 0; n < messages / 2; n++) await publish()
})
await measure('eight calls at a time', (messages / 2) * body.length, async () => {
  for (let n = 0; n < messages / 2; n += 8) await Promise.all(Array.from({ length: 8 }, publish))
})
await measure('all read by a group', messages * body.length, () => readAll(bus, 'g'))
await using _ = await bus.subscribe('idle', 'idle', async ({ read, signal }) => {
  while (!signal.aborted) await read()
})
await sleep(1_000)
await measure('a consumer waiting for 5 s', 0, () => sleep(5_000))
