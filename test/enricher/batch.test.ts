import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { readBatches } from '../../enricher/batch.ts'
import type { Bus, Delivered } from '../../runtime/bus/bus.ts'
import { assigned } from '../contracts/bus.ts'
import { openTestBus } from '../helpers/bus.ts'

const maxWaitMs = 1_000

/** Rows of each INSERT: of a message with `first` rows, and of one with 200 that is sent after `maxWaitMs`. */
async function insertsOf(bus: Bus, first: number): Promise<number[]> {
  const publish = (rows: number) => bus.publish('t', [{ headers: { rows: String(rows) }, body: new Uint8Array(1) }])
  async function take({ headers, body }: Delivered) {
    const rows = Number(headers.rows)
    if (rows === first) void sleep(1.5 * maxWaitMs).then(() => publish(200))
    return { rows, bytes: body }
  }
  await bus.ensureTopic('t')
  await publish(first)
  return assigned(bus, 't', 'g', async assignment => {
    const inserts: number[] = []
    for await (const { parts } of readBatches(assignment, { take, remember: () => ({}) }, { maxWaitMs })) {
      inserts.push(...parts.map(({ rows }) => rows))
      if (inserts.reduce((sum, rows) => sum + rows, 0) === first + 200) break
    }
    return inserts
  })
}

test('few rows are stored soon', async t => {
  await using bus = await openTestBus()
  t.deepEqual(await insertsOf(bus.bus, 100), [100, 200])
})

test('many rows are gathered for longer', async t => {
  await using bus = await openTestBus()
  t.deepEqual(await insertsOf(bus.bus, 1_000), [1_200])
})
