import { setTimeout as sleep } from 'node:timers/promises'
import { type ClickHouse, ClickHouseError } from '../runtime/clickhouse/client.ts'
import { type Logger, describe } from '../runtime/log.ts'
import { tables, views } from '../schema/clickhouse.ts'
import { readLayout } from './layout.ts'
import { type Change, type Wanted, planChanges } from './plan.ts'

export type { Change } from './plan.ts'

const attempts = 8

export interface MigrateOptions {
  log: Logger
  /** Days to keep, by table, instead of the schema's. */
  days?: Readonly<Record<string, number>>
}

/**
 * Makes the database of `clickhouse` what the schema says: creates what is missing, adds columns, changes how long tables keep. Never
 * loses data: what would rejects with a MigrationError before anything is changed. Safe to repeat, and for several processes at once.
 */
export function migrate({ clickhouse, log, days = {} }: MigrateOptions & { clickhouse: ClickHouse }): Promise<Change[]> {
  const { database } = clickhouse
  return migrateTo({ database, tables: tables({ days }), views: views(database) }, clickhouse, log)
}

/** The same for any layout. */
export async function migrateTo(wanted: Wanted, clickhouse: ClickHouse, log: Logger): Promise<Change[]> {
  const made: Change[] = []
  for (let attempt = 1; ; attempt++) {
    const { changes, leftAlone } = planChanges(await readLayout(clickhouse, wanted), wanted)
    if (changes.length === 0) {
      const of = { database: clickhouse.database, server: clickhouse.where }
      if (made.length) log.info({ ...of, changes: made.map(({ what }) => what) }, 'database migrated')
      if (leftAlone.length) log.warn({ ...of, columns: leftAlone }, 'columns that the schema does not know stay')
      return made
    }
    try {
      await apply(clickhouse, changes, made)
    } catch (error) {
      // Another process may have made the same change in between: look again.
      if (!(error instanceof ClickHouseError) || attempt === attempts) throw error
      log.debug({ error: describe(error), attempt }, 'a change was refused, looking again')
      await sleep(attempt * 50 * Math.random())
    }
  }
}

async function apply(clickhouse: ClickHouse, changes: readonly Change[], made: Change[]): Promise<void> {
  for (const change of changes) {
    await clickhouse.command(change.sql, { database: 'system' })
    made.push(change)
  }
}
