import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { balance } from '../helpers/faults/account.ts'
import { type Fault, kills } from '../helpers/faults/faults.ts'
import { type World, full, lasting, startWorld, step } from '../helpers/faults/world.ts'
import { whyNoKafka } from '../helpers/kafka/broker.ts'
import { skipped } from '../helpers/kafka/contract.ts'

const missing = await whyNoKafka()

/** One after the other by chance until `end`, with pauses in which things go on; resolves to how often each was. */
async function atRandom(world: World, faults: Record<string, Fault>, end: number): Promise<Record<string, number>> {
  const names = Object.keys(faults)
  const counts: Record<string, number> = {}
  while (Date.now() < end) {
    const name = names[Math.floor(Math.random() * names.length)]
    await faults[name](world)
    counts[name] = (counts[name] ?? 0) + 1
    await sleep(Math.random() * 4_000)
  }
  return counts
}

if (missing) skipped('weir on three brokers', missing)
else
  test('on three brokers, whatever is killed at random, one or two at a time, every record is stored once', async t => {
    t.timeout(1_200_000)
    await using world = await step(t, 'start', () => startWorld({ brokers: 3, rate: full ? 2_000 : 1_000 }))
    await step(t, 'kill of a leader', () => kills.ofKafka['a leader'](world))
    const end = Date.now() + lasting(5, 600)
    t.log(await Promise.all([atRandom(world, kills.ofKafka, end), atRandom(world, kills.ofOthers, end)]))
    await step(t, 'balance', () => balance(t, world))
    t.is(await world.weir.stop(), 0)
  })
