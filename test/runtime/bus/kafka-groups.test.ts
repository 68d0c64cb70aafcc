import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { Assignment, Bus } from '../../../runtime/bus/bus.ts'
import { untilAborted } from '../../contracts/bus.ts'
import { type Brokers, startBrokers, whyNoKafka } from '../../helpers/kafka/broker.ts'
import { connect, defaultsFor } from '../../helpers/kafka/bus.ts'
import { skipped } from '../../helpers/kafka/contract.ts'
import { until } from '../../helpers/wait.ts'

const missing = await whyNoKafka()
let kafka: Brokers
const partitions = 6
const open = (instanceId?: string) => connect(kafka.addresses.join(), { instanceId, create: { ...defaultsFor(1), partitions } })

/** A consumer that holds what it is given, and remembers what became of it. */
async function holder(bus: Bus, topic: string, holders: Map<number, number>) {
  const given: Assignment[] = []
  let most = 0
  const subscription = await bus.subscribe(topic, 'g', async assignment => {
    given.push(assignment)
    const { partition, signal } = assignment
    holders.set(partition, (holders.get(partition) ?? 0) + 1)
    most = Math.max(most, ...holders.values())
    await untilAborted(signal)
    // What is under way is finished.
    await sleep(50)
    holders.set(partition, holders.get(partition)! - 1)
  })
  return {
    given,
    held: () => given.filter(({ signal }) => !signal.aborted).map(({ partition }) => partition),
    most: () => most,
    close: () => subscription[Symbol.asyncDispose](),
  }
}

if (missing) skipped('groups on Kafka', missing)
else {
  test.before(async () => {
    kafka = await startBrokers()
  })
  test.after.always(async () => kafka?.[Symbol.asyncDispose]())

  test('who comes into a group gets a share; what stays with the others goes on without a break, and nothing has two holders', async t => {
    await using one = await open()
    await using two = await open()
    await one.ensureTopic('shared')
    const holders = new Map<number, number>()
    const first = await holder(one, 'shared', holders)
    await until('all partitions', () => first.held().length === partitions)
    const second = await holder(two, 'shared', holders)
    await until('an even share', () => first.held().length === 3 && second.held().length === 3)
    t.is(first.given.length, partitions)
    for (const { partition, commit } of first.given.filter(({ signal }) => !signal.aborted))
      await t.notThrowsAsync(commit({ offset: 0, metadata: String(partition) }))
    await second.close()
    await until('all partitions again', () => first.held().length === partitions)
    t.is(first.given.length, partitions + 3)
    t.is(Math.max(first.most(), second.most()), 1)
    await first.close()
  })

  test('a process with a name comes back to its partitions, and the others notice nothing', async t => {
    await using one = await open('pod-0')
    await one.ensureTopic('named')
    const holders = new Map<number, number>()
    const first = await holder(one, 'named', holders)
    const two = await open('pod-1')
    const second = await holder(two, 'named', holders)
    await until('an even share', () => first.held().length === 3 && second.held().length === 3)
    const before = { first: [...first.given], second: second.held().sort() }
    await second.close()
    await two[Symbol.asyncDispose]()
    await sleep(500)
    await using again = await open('pod-1')
    const third = await holder(again, 'named', holders)
    await until('the same share', () => third.held().length === 3)
    t.deepEqual(third.held().sort(), before.second)
    t.deepEqual(first.given, before.first)
    t.is(first.held().length, 3)
    t.is(Math.max(first.most(), third.most()), 1)
    await third.close()
    await first.close()
  })

  test('two processes of one name do not work on the same: the one that came first is put out', async t => {
    await using one = await open('twin')
    await one.ensureTopic('twins')
    const holders = new Map<number, number>()
    const first = await holder(one, 'twins', holders)
    await until('all partitions', () => first.held().length === partitions)
    await using two = await open('twin')
    const second = await holder(two, 'twins', holders)
    await until('the second to hold all', () => second.held().length === partitions && first.held().length === 0)
    await t.throwsAsync(first.given[0].commit({ offset: 0, metadata: '' }))
    await second.close()
    await first.close()
  })
}
