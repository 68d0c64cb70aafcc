import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import { type Logger, describe } from '../../runtime/log.ts'
import type { Instruments } from '../../runtime/telemetry.ts'
import { storedTable } from '../../schema/cluster.ts'
import { kinds } from '../../schema/record.ts'

export interface BudgetOptions {
  clickhouse: ClickHouse
  /** Bytes all tables of the server together may take. */
  maxBytes: number
  log: Logger
  instruments: Pick<Instruments, 'discarded'>
}

/** The share of the budget at which room is made: merges write new parts before the old ones go. */
const fullAt = 0.9
const everyMs = 30_000

/** Records that flood: the rollups of them stay when they go. */
const rawTables = (clickhouse: ClickHouse) =>
  Object.values(kinds).flatMap(({ name, measures }) => (measures ? [storedTable(name, clickhouse)] : []))

interface Partition {
  table: string
  /** Of records, the seconds since 1970 at which their hour began. */
  id: string
  rows: number
  bytes: number
}

/**
 * Removes the oldest partitions of raw records until the tables take less than nine tenths of their budget. This hour's stay,
 * as do rollups, losses and objects. Resolves to whether that was enough. Several processes may do it at once.
 */
export async function makeRoom({ clickhouse, maxBytes, log, instruments }: BudgetOptions): Promise<boolean> {
  const partitions = await readPartitions(clickhouse)
  let over = partitions.reduce((sum, { bytes }) => sum + bytes, 0) - maxBytes * fullAt
  for (const { table, id, rows, bytes } of removable(partitions, rawTables(clickhouse))) {
    if (over <= 0) break
    await clickhouse.command(`ALTER TABLE ${table} DROP PARTITION ID {id:String}`, {
      params: { id },
      settings: { max_partition_size_to_drop: '0' },
    })
    over -= bytes
    instruments.discarded(rows, 'over_budget', { table })
    log.info({ table, partition: id, rows, bytes }, 'the oldest records made room for newer ones')
  }
  return over <= 0
}

async function readPartitions(clickhouse: ClickHouse): Promise<Partition[]> {
  const { rows } = await clickhouse.query<Partition>(
    `SELECT table, partition_id AS id, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts
WHERE active AND database = {database:String} GROUP BY table, id`,
    { params: { database: clickhouse.database } },
  )
  return rows
}

/** Those before this hour, the oldest first. */
function removable(partitions: readonly Partition[], tables: readonly string[]): Partition[] {
  const thisHour = Math.floor(Date.now() / 3_600_000) * 3600
  return partitions.filter(({ table, id }) => tables.includes(table) && Number(id) < thisHour).sort((a, b) => Number(a.id) - Number(b.id))
}

/** Makes room now and then, until the signal is aborted. */
export async function keepWithin(options: BudgetOptions, signal: AbortSignal): Promise<void> {
  const { clickhouse, log, maxBytes } = options
  let enough = true
  while (!signal.aborted) {
    try {
      const was = enough
      enough = await makeRoom(options)
      if (was && !enough)
        log.warn({ maxBytes, server: clickhouse.where }, 'rollups and the records of this hour take more than clickhouse.max_bytes')
    } catch (error) {
      log.debug({ error: describe(error) }, 'cannot look at the sizes of the tables')
    }
    await sleep(everyMs, undefined, { signal }).catch(() => {})
  }
}
