import { Block } from '../../runtime/block/block.ts'
import { nativeBlocks } from '../../runtime/block/stream.ts'
import { Writer } from '../../runtime/block/writer.ts'
import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import { firstThatWorks } from '../../runtime/clickhouse/failover.ts'
import { rollupTable, rollups } from '../../schema/clickhouse.ts'
import { storedTable } from '../../schema/cluster.ts'
import { type Reattribution, hourSeconds, replacedSql } from '../../schema/reattribution.ts'
import type { RecordKind } from '../../schema/record.ts'
import type { StoredBlock } from '../batch.ts'
import { Draft, type Step } from '../step.ts'
import { revision } from '../steps/revision.ts'
import { type Changes, countChanges } from './changes.ts'
import { type UsedColumns, collectedSql, replacedIn, storedColumns, usedColumnsSql } from './sql.ts'
import { type Stores, persist } from './store.ts'

export interface Work {
  kind: RecordKind
  stores: Stores
  steps: readonly Step[]
  signal: AbortSignal
  /** Rows of one INSERT. */
  maxRows?: number
  /** Told how many more rows were read. */
  onRows?(rows: number): void
}

/** Rows of a block that is read: few enough for what is known of it to be numbered in 16 bits. */
const blockRows = 32_768
const readSettings = { max_block_size: String(blockRows), max_threads: 2, max_execution_time: 0, http_send_timeout: 600 } as const

/** What is there of an hour cannot be replaced: some of its records are gone, of which the rollups still tell. */
export class IncompleteHourError extends Error {
  override name = 'IncompleteHourError'
}

type Window = Pick<Reattribution, 'tag' | 'provisional'>

/**
 * Stores the rows of an hour that are to be replaced once more, as the steps would have them now, under a revision that nobody sees yet: the
 * rows of each shard where they are. Rejects with an IncompleteHourError when records or rollups are not what they should be. Whatever it
 * rejects with, some rows may have been stored: the next attempt needs another revision.
 */
export async function copyHour(work: Work, state: Window, hour: number, copy: number): Promise<{ rows: number; changes: Changes }> {
  const changes: Changes = {}
  let rows = 0
  for (const [shard, replicas] of (await work.stores.shards()).entries())
    rows += await copyShard({ ...work, server: await answering(replicas, work.signal), shard }, { ...state, hour, copy }, changes)
  return { rows, changes }
}

/** A server of the shard that answers; waits for one. */
const answering = (replicas: readonly ClickHouse[], signal: AbortSignal) =>
  persist(() => firstThatWorks(replicas, server => server.query('SELECT 1', { signal }).then(() => server)), signal)

interface ShardWork extends Work {
  server: ClickHouse
  shard: number
}

interface Hour extends Window {
  hour: number
  copy: number
}

async function copyShard(work: ShardWork, hour: Hour, changes: Changes): Promise<number> {
  const { kind, shard, stores, signal, maxRows = 100_000 } = work
  await syncReplicas(work)
  const before = await countRows(work, hour)
  if (before.rolledUp > before.rows)
    throw new IncompleteHourError(`${before.rolledUp - before.rows} of its records are gone, of which the rollups still tell`)
  let part: StoredBlock[] = []
  let [rows, copied, parts] = [0, 0, 0]
  const flush = async () => {
    const blocks = part.map(({ bytes }) => bytes)
    const token = `${kind.name}:again:${hour.copy}:${hour.hour}:${shard}:${parts++}`
    if (rows > 0) await persist(() => stores.inserter.insertNative(kind.name, blocks, { token, shard, signal }), signal)
    copied += rows
    work.onRows?.(rows)
    part = []
    rows = 0
  }
  const mark = { revision: hour.copy, from: hour.hour, to: hour.hour + hourSeconds }
  for await (const block of read(work, replacedIn(hour, hour.hour), [...work.steps, revision(() => mark)], changes)) {
    part.push(block)
    if ((rows += block.rows) >= maxRows) await flush()
  }
  await flush()
  if (copied !== before.rows) throw new IncompleteHourError(`of ${before.rows} records ${copied} were there`)
  await syncReplicas(work)
  await checkRollups(work, hour, copied)
  return copied
}

/** The ends of stored records for which the condition holds that would be known otherwise now. */
export async function countChanged(work: Work, condition: string): Promise<{ rows: number; changes: Changes }> {
  const changes: Changes = {}
  let rows = 0
  for (const [shard, replicas] of (await work.stores.shards()).entries())
    for await (const block of read({ ...work, server: await answering(replicas, work.signal), shard }, condition, work.steps, changes)) {
      rows += block.rows
      work.onRows?.(block.rows)
    }
  return { rows, changes }
}

/** Rows as the steps have them now. */
async function* read(
  { kind, server, signal }: ShardWork,
  condition: string,
  steps: readonly Step[],
  changes: Changes,
): AsyncGenerator<StoredBlock> {
  const table = storedTable(kind.name, server)
  const { rows: used } = await server.query<UsedColumns>(usedColumnsSql(kind, table, condition), { settings: readSettings, signal })
  const sql = `${collectedSql(kind, table, condition, used[0])}\nFORMAT Native`
  const answer = await server.stream(sql, { settings: readSettings, signal })
  for await (const bytes of nativeBlocks(answer)) {
    const block = new Block(bytes, kind)
    if (block.rows === 0) continue
    const draft = new Draft(kind, block)
    for (const step of steps) step.enrich(draft)
    countChanges(draft, changes)
    yield { rows: block.rows, bytes: block.with(draft.written, new Writer(block.bytes.length + (block.bytes.length >> 2)), storedColumns) }
  }
}

/** A replica may not have yet what was inserted at another. */
async function syncReplicas({ kind, server, signal }: ShardWork): Promise<void> {
  const names = [kind.name, ...rollups.map(rollup => rollupTable(kind, rollup))].map(name => storedTable(name, server))
  const { rows } = await server.query<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)} AND engine LIKE 'Replicated%'",
    { params: { database: server.database, names }, signal },
  )
  for (const { name } of rows) await server.command(`SYSTEM SYNC REPLICA ${name}`, { signal })
}

/** Rows of the hour that are to be replaced, and how many the rollups tell of. */
async function countRows({ kind, server, signal }: ShardWork, hour: Hour): Promise<{ rows: number; rolledUp: number }> {
  const rolledUp = rollups.map(rollup => {
    const table = storedTable(rollupTable(kind, rollup), server)
    return `(SELECT sum(records) FROM ${table} WHERE ${replacedIn(hour, hour.hour, 'bucket')})`
  })
  const rows = `(SELECT count() FROM ${storedTable(kind.name, server)} WHERE ${replacedIn(hour, hour.hour)})`
  const sql = `SELECT ${rows} AS rows, greatest(${rolledUp.join(', ')}) AS rolledUp`
  return (await server.query<{ rows: number; rolledUp: number }>(sql, { signal })).rows[0]
}

/** The rollups must tell of as many copies as of what they replace, unless they keep nothing of that time any more. */
async function checkRollups({ kind, server, signal }: ShardWork, { hour, copy, ...window }: Hour, copied: number): Promise<void> {
  for (const rollup of rollups) {
    const table = storedTable(rollupTable(kind, rollup), server)
    const { rows } = await server.query<{ before: number; now: number }>(
      `SELECT sumIf(records, ${replacedSql(window)}) AS before, sumIf(records, revision = ${copy}) AS now FROM ${table}
WHERE bucket >= toDateTime(${hour}, 'UTC') AND bucket < toDateTime(${hour + hourSeconds}, 'UTC')`,
      { signal },
    )
    const { before, now } = rows[0]
    if (before > 0 && (before !== copied || now !== copied))
      throw new IncompleteHourError(`${table} told of ${before} records, and tells of ${now} in their place`)
  }
}
