import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { balance } from '../helpers/faults/account.ts'
import { mountSmallDisk, whyNoSmallDisk } from '../helpers/faults/small-disk.ts'
import { metric, reasons, watchMemory } from '../helpers/faults/watch.ts'
import { full, lasting, startWorld, step } from '../helpers/faults/world.ts'
import { skipped } from '../helpers/kafka/contract.ts'
import { until } from '../helpers/wait.ts'

const missing = await whyNoSmallDisk()
const mostMegabytes = 500

test.serial('a slow ClickHouse makes the source stop reading, nobody grow, and nothing be lost', async t => {
  t.timeout(600_000)
  await using world = await step(t, 'start', () => startWorld({ rate: 4_000, bus: { max_bytes: 1 << 20 } }))
  const { weir, link } = world
  await using memory = watchMemory(weir)
  const received = () => metric(weir, 'weir_component_records_received_total', 'service="collect"')
  link.throttle(10_000)
  await step(t, 'until the collector waits', () =>
    until('the collector to wait', () => metric(weir, 'weir_bus_publishers_waiting').then(waiting => waiting > 0), {
      timeoutMs: 150_000,
      everyMs: 250,
    }),
  )
  await until(
    'the source to stop reading',
    async () => {
      const before = await received()
      await sleep(2_000)
      return (await received()) === before
    },
    { timeoutMs: 150_000 },
  )
  t.true((await reasons(weir)).some(reason => reason.includes('the readers are behind')))
  await sleep(lasting(2, 120))
  link.throttle()
  await step(t, 'balance', () => balance(t, world))
  t.log('most megabytes resident', memory.mostMegabytes())
  for (const [name, megabytes] of Object.entries(memory.mostMegabytes())) t.true(megabytes < mostMegabytes, `${name}: ${megabytes} MB`)
  t.is(await weir.stop(), 0)
})

if (missing) skipped('weir on full disks', missing)
else
  test.serial('on a full disk of the bus, of ClickHouse or of both, everything waits, and goes on when there is space', async t => {
    t.timeout(900_000)
    await using ofBus = await mountSmallDisk(160)
    await using ofStore = await mountSmallDisk(1_200)
    const storeDir = path.join(ofStore.directory, 'clickhouse')
    await mkdir(storeDir)
    const bus = { path: path.join(ofBus.directory, 'bus.sqlite') }
    await using world = await step(t, 'start', () => startWorld({ rate: 2_000, bus, storeDir }))
    const waits = (pattern: RegExp) =>
      until(`readyz to say ${pattern}`, async () => (await reasons(world.weir)).find(reason => pattern.test(reason)), {
        timeoutMs: 150_000,
      })
    const steps = [
      [[ofBus], /bus of hubble|disk/],
      [[ofStore], /store: clickhouse/],
      [[ofBus, ofStore], /bus of hubble|disk|store/],
    ] as const
    // ClickHouse itself may leave a broken part behind on a full disk ("Empty marks file"), so the short form does without.
    for (const [disks, pattern] of full ? steps : steps.slice(0, 1)) {
      for (const disk of disks) await disk.fill()
      t.log(await step(t, 'until it waits', () => waits(pattern)))
      await sleep(lasting(2, 60))
      for (const disk of disks) await disk.free()
      await world.weir.ready()
      await step(t, 'balance', () => balance(t, world))
    }
    t.is(await world.weir.stop(), 0)
  })
