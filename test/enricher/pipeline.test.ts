import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { runEnricher } from '../../enricher/main.ts'
import { enrich } from '../../enricher/pipeline.ts'
import type { Sink } from '../../enricher/sink/sink.ts'
import type { Draft } from '../../enricher/step.ts'
import { Block } from '../../runtime/block/block.ts'
import { type ClickHouse, openClickHouse } from '../../runtime/clickhouse/client.ts'
import { openEnd } from '../../schema/object.ts'
import { deadLetterTopic, kinds, topicOf } from '../../schema/record.ts'
import { messageOf } from '../helpers/blocks.ts'
import { openTestBus } from '../helpers/bus.ts'
import { openTestDatabase } from '../helpers/clickhouse.ts'
import { testService } from '../helpers/service.ts'
import { until } from '../helpers/wait.ts'

const flowTopic = topicOf(kinds.flow)
const batch = { maxRows: 250, maxWaitMs: 50 }
const now = Date.now() * 1000

const flowsOf = (block: number, rows: number) =>
  Array.from({ length: rows }, (_, row) => ({
    time: now + block * 1000 + row,
    source: 'test',
    cluster: 'east',
    verdict: row % 10 ? 'forwarded' : 'dropped',
    src_address: '10.0.0.1',
    dst_address: '10.0.0.2',
    protocol: 'tcp',
    src_port: 40_000 + row,
    dst_port: 80,
    bytes: row,
  }))

const pod = (address: string, workload: string) => ({
  kind: 'pod',
  cluster: 'east',
  namespace: 'shop',
  name: `${workload}-1`,
  uid: workload,
  workload,
  addresses: [address],
  valid_from: 0,
  valid_to: openEnd,
})

async function count(clickhouse: ClickHouse, table = 'flow', sum = 'count()'): Promise<number> {
  const { rows } = await clickhouse.query<{ n: number }>(`SELECT ${sum} AS n FROM ${table}`)
  return rows[0].n
}

test('what is on the bus is attributed and stored, and the rollups agree', async t => {
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  const { clickhouse } = database
  for (const version of [pod('10.0.0.1', 'cart'), pod('10.0.0.2', 'payment')])
    await bus.bus.publish(topicOf(kinds.object), [{ ...(await messageOf('object', [version])), key: version.uid }])
  for (let block = 0; block < 10; block++) await bus.bus.publish(flowTopic, [await messageOf('flow', flowsOf(block, 100))])
  const { context, stop } = testService()
  const running = runEnricher({ bus: bus.bus, clickhouse, options: { batch } }, context)
  await until('1000 rows', async () => (await count(clickhouse)) === 1000)
  await until('nothing unread', async () => (await bus.bus.lag()).every(({ messages }) => !messages))
  const { rows } = await clickhouse.query(
    'SELECT src_workload, dst_workload, server_port, src_attribution, count() AS n FROM flow GROUP BY ALL',
  )
  t.deepEqual(rows, [{ src_workload: 'cart', dst_workload: 'payment', server_port: 80, src_attribution: 'exact', n: 1000 }])
  t.is(await count(clickhouse, 'flow_1m', 'sum(records)'), 1000)
  t.is(await count(clickhouse, 'flow_1h', "sumIf(records, verdict = 'dropped')"), 100)
  t.is(await count(clickhouse, 'flow_1m', 'sum(bytes)'), 10 * 4950)
  await until('the objects', async () => (await count(clickhouse, 'object')) === 2)
  stop()
  await running.catch(() => {})
})

test('a batch that was planned and stored, but not committed, is repeated and counts once', async t => {
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  const { clickhouse } = database
  for (let block = 0; block < 10; block++) await bus.bus.publish(flowTopic, [await messageOf('flow', flowsOf(block, 100))])
  const first = testService()
  // Whoever died here had stored the first batch and could not say so.
  const died = () => {
    first.stop()
    throw new Error('died')
  }
  const forgetful: ClickHouse = { ...clickhouse, insertNative: (...call) => clickhouse.insertNative(...call).then(died) }
  await runEnricher({ bus: bus.bus, clickhouse: forgetful, options: { batch } }, first.context).catch(() => {})
  t.is(await count(clickhouse), 600)
  const second = testService()
  const running = runEnricher({ bus: bus.bus, clickhouse, options: { batch: { maxRows: 100_000, maxWaitMs: 50 } } }, second.context)
  await until('all rows', async () => (await count(clickhouse)) >= 1000)
  await until('nothing unread', async () => (await bus.bus.lag()).every(({ messages }) => !messages))
  t.is(await count(clickhouse), 1000)
  t.is(await count(clickhouse, 'flow_1m', 'sum(records)'), 1000)
  second.stop()
  await running.catch(() => {})
})

test('a block that a collector sent twice counts once, also when somebody else took over in between', async t => {
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  const { clickhouse } = database
  const blocks = await Promise.all([0, 1, 2].map(block => messageOf('flow', flowsOf(block, 100), 10 + block)))
  const [one, two, three] = blocks
  for (const messages of [
    [one, two, two],
    [two, one, three],
  ]) {
    await bus.bus.publish(flowTopic, messages)
    const { context, stop } = testService()
    const running = runEnricher({ bus: bus.bus, clickhouse, options: { batch } }, context)
    await until('nothing unread', async () => {
      const lag = await bus.bus.lag()
      return lag.length === Object.keys(kinds).length && lag.every(({ messages }) => !messages)
    })
    stop()
    await running.catch(() => {})
  }
  t.is(await count(clickhouse), 300)
})

test('a block of the version before is stored, one of a later version is not', async t => {
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  const { clickhouse } = database
  const [before, later] = await Promise.all([0, 1].map(block => messageOf('flow', flowsOf(block, 100))))
  const ofVersion = (message: typeof before, version: number) => ({
    ...message,
    headers: { ...message.headers, version: String(version) },
  })
  await bus.bus.publish(flowTopic, [ofVersion(before, kinds.flow.version - 1), ofVersion(later, kinds.flow.version + 1)])
  const { context, stop } = testService()
  const running = runEnricher({ bus: bus.bus, clickhouse, options: { batch } }, context)
  await until('the dead letter', async () => (await Array.fromAsync(bus.bus.recent(deadLetterTopic, () => true))).length)
  await until('the rows', () => count(clickhouse))
  t.is(await count(clickhouse), 100)
  stop()
  await running.catch(() => {})
})

test('a block that cannot be read goes to the dead letters with the reason, and the others are stored', async t => {
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  const { clickhouse } = database
  const good = await messageOf('flow', flowsOf(0, 100))
  const bad = [
    { ...good, headers: { ...good.headers, sequence: '1000001' }, body: good.body.subarray(0, 50) },
    { ...good, headers: { ...good.headers, sequence: '1000002', version: '9' } },
    { ...good, headers: { ...good.headers, sequence: '1000003' }, body: Buffer.from('garbage') },
  ]
  await bus.bus.publish(flowTopic, [good, ...bad, await messageOf('flow', flowsOf(1, 100), 1_000_004)])
  const { context, stop } = testService()
  const running = runEnricher({ bus: bus.bus, clickhouse, options: { batch } }, context)
  await until('the good rows', async () => (await count(clickhouse)) === 200)
  const letters = await until('the dead letters', async () => {
    const found = await Array.fromAsync(bus.bus.recent(deadLetterTopic, () => true))
    return found.length === 3 && found
  })
  t.is(new Set(letters.map(({ headers }) => headers.offset)).size, 3)
  t.true(letters.some(({ headers }) => headers.reason.includes('flow of version 9, expected 1')))
  t.deepEqual(Buffer.from(letters.at(-1)!.body), Buffer.from(bad[0].body))
  stop()
  await running.catch(() => {})
})

test('while ClickHouse is away nothing is lost and the status says why', async t => {
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  const { clickhouse } = database
  const { context, statuses, stop } = testService()
  await using nowhere = openClickHouse({ url: 'http://127.0.0.1:9', database: database.database })
  let away = true
  const flaky: ClickHouse = { ...clickhouse, insertNative: (...call) => (away ? nowhere : clickhouse).insertNative(...call) }
  const running = runEnricher({ bus: bus.bus, clickhouse: flaky, options: { batch } }, context)
  await bus.bus.publish(flowTopic, [await messageOf('flow', flowsOf(0, 100))])
  const reason = await until('a reason', () => statuses.get('store')?.reason)
  t.false(statuses.get('store')?.ready)
  t.regex(reason, /clickhouse: .*(ECONNREFUSED|refused)/i)
  away = false
  await until('the rows', async () => (await count(clickhouse)) === 100)
  await until('no reason', () => statuses.get('store')?.ready)
  stop()
  await running.catch(() => {})
})

test('told to stop while it loads the objects, it stops', async t => {
  await using database = await openTestDatabase()
  await using bus = await openTestBus()
  const { context, stop } = testService()
  stop()
  await t.throwsAsync(runEnricher({ bus: bus.bus, clickhouse: database.clickhouse, options: { batch } }, context), { name: 'AbortError' })
})

test('a batch is sent between the blocks of the next, however many of them wait', async t => {
  await using bus = await openTestBus()
  await bus.bus.publish(flowTopic, await Promise.all(Array.from({ length: 40 }, (_, block) => messageOf('flow', flowsOf(block, 100)))))
  let enriched = 0
  const meanwhile: number[] = []
  const sending = {
    async write() {
      const before = enriched
      for (let chunk = 0; chunk < 4; chunk++) await turn()
      meanwhile.push(enriched - before)
    },
  }
  const counting = { name: 'counting', enrich: () => void enriched++ }
  const failed = async (_: unknown, error?: Error) => t.fail(String(error))
  await using _ = await bus.bus.subscribe(flowTopic, 'enrich', assignment =>
    enrich(assignment, {
      kind: kinds.flow,
      steps: [counting],
      sink: sending,
      limits: { maxRows: 1000, maxParts: 1, maxWaitMs: 50 },
      unreadable: failed,
      repeated: failed,
    }),
  )
  await until('all batches', async () => meanwhile.length === 4)
  t.true(
    meanwhile.every(blocks => blocks <= 4),
    `blocks enriched while four chunks were sent: ${meanwhile}`,
  )
})

test('what is being stored stays as it was enriched, though memory is used again', async t => {
  await using bus = await openTestBus()
  const blocks = 60
  await bus.bus.publish(flowTopic, await Promise.all(Array.from({ length: blocks }, (_, block) => messageOf('flow', flowsOf(block, 100)))))
  let enriched = 0
  const marking = {
    name: 'marking',
    enrich: (draft: Draft) => draft.setPorts('server_port', new Uint16Array(draft.block.rows).fill(++enriched)),
  }
  const stored: number[] = []
  const memories = new Set<ArrayBufferLike>()
  const storing: Sink = {
    async write(_, part) {
      for (let chunk = 0; chunk < 30; chunk++) await turn()
      for (const { bytes } of part.blocks) {
        memories.add(bytes.buffer)
        stored.push(...new Set(new Block(bytes).numbers('server_port')))
      }
    },
  }
  const failed = async (_: unknown, error?: Error) => t.fail(String(error))
  const limits = { maxRows: 500, maxParts: 2, maxWaitMs: 50 }
  await using _ = await bus.bus.subscribe(flowTopic, 'enrich', assignment =>
    enrich(assignment, { kind: kinds.flow, steps: [marking], sink: storing, limits, unreadable: failed, repeated: failed }),
  )
  await until('all blocks', async () => stored.length >= blocks)
  t.deepEqual(
    stored,
    Array.from({ length: blocks }, (_, block) => block + 1),
  )
  t.true(memories.size < blocks / 2, `${memories.size} memories for ${blocks} blocks`)
})
