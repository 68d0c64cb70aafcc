import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openEmbeddedBus } from '../../runtime/bus/embedded.ts'
import { openLog } from '../../runtime/log.ts'

// What the embedded bus costs: node test/benchmarks/bus.ts [--dir .] [--bytes 200000] [--messages 1000]
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    bytes: { type: 'string', default: '200000' },
    messages: { type: 'string', default: '1000' },
  },
})
const messages = Number(values.messages)
const body = randomBytes(Number(values.bytes))
const directory = await mkdtemp(join(values.dir, 'weir-bus-benchmark-'))
const log = openLog()

async function measure(name: string, bytes: number, work: () => Promise<void>) {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const share = (((user + system) / 1e6 / seconds) * 100).toFixed(1)
  console.log(`${name.padEnd(44)} ${(bytes / 1e6 / seconds).toFixed(1).padStart(7)} MB/s ${share.padStart(6)} % of a core`)
}

try {
  await using bus = await openEmbeddedBus({ path: join(directory, 'bus.sqlite'), log })
  await using reader = await openEmbeddedBus({ path: join(directory, 'bus.sqlite'), log })
  await bus.ensureTopic('t', { maxBytes: 100 * Math.max(body.length, 200_000) })
  let read = 0
  await using _ = await reader.subscribe('t', 'g', async ({ read: next, commit, signal }) => {
    while (!signal.aborted) {
      const some = await next({ waitMs: 60_000 })
      read += some.length
      await commit({ offset: some.at(-1)!.offset + 1, metadata: '' })
    }
  })
  const publish = () => bus.publish('t', [{ headers: { kind: 'flow' }, body }])
  const allRead = async (count: number) => {
    for (;;) {
      if (read >= count) return
      await sleep(5)
    }
  }
  await measure('one call at a time, published and consumed', messages * body.length, async () => {
    for (let n = 0; n < messages; n++) await publish()
    await allRead(messages)
  })
  await measure('eight calls at a time', messages * body.length, async () => {
    for (let n = 0; n < messages; n += 8) await Promise.all(Array.from({ length: 8 }, publish))
    await allRead(2 * messages)
  })
  await measure('100 messages a second for 10 s', 1_000 * body.length, async () => {
    const start = performance.now()
    for (let n = 0; n < 1_000; n++) {
      await publish()
      await sleep(Math.max(0, start + n * 10 - performance.now()))
    }
  })
  await measure('a consumer waiting for 10 s', 0, () => sleep(10_000))
} finally {
  await rm(directory, { recursive: true, force: true })
}
