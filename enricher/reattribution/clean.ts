import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import { firstThatWorks } from '../../runtime/clickhouse/failover.ts'
import { storedTable } from '../../schema/cluster.ts'
import type { Reattribution } from '../../schema/reattribution.ts'
import { hiddenIn } from './sql.ts'
import { type Stores, persist } from './store.ts'
import type { Subject } from './subject.ts'

/** A statement that removes rows has removed them everywhere when it ends. */
const settings = { lightweight_deletes_sync: '2', max_execution_time: 0 } as const

/** Removes what shall not be seen any more of hours before `to`, from all tables. It may be repeated. */
export async function removeHidden(
  { tables, stores, signal }: Pick<Subject, 'tables'> & { stores: Stores; signal: AbortSignal },
  state: Reattribution,
  to: number,
): Promise<void> {
  for (const replicas of await stores.shards())
    for (const { name, time } of tables)
      await persist(() => firstThatWorks(replicas, server => removeFrom(server, name, hiddenIn(state, to, time), signal)), signal)
}

/** Partition by partition, so that nobody looks into the others. */
async function removeFrom(server: ClickHouse, name: string, condition: string, signal: AbortSignal): Promise<void> {
  const table = storedTable(name, server)
  const { rows } = await server.query<{ id: string }>(`SELECT DISTINCT _partition_id AS id FROM ${table} WHERE ${condition}`, { signal })
  for (const { id } of rows) await server.command(`DELETE FROM ${table} IN PARTITION ID '${id}' WHERE ${condition}`, { settings, signal })
}
