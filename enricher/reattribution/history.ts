import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import { type ObjectVersion, objectFields, openEnd } from '../../schema/object.ts'
import type { IdentityTable } from '../tables/identities.ts'
import type { ObjectTable } from '../tables/objects.ts'

const isTime = (name: string) => objectFields[name as keyof typeof objectFields].type === 'time'
const names = Object.keys(objectFields).filter(name => name !== 'source')
const [times, columns] = [names.filter(isTime), names.filter(name => !isTime(name))]

const sql = `SELECT ${[...columns, ...times.map(name => `toUnixTimestamp64Micro(${name}) AS ${name}_micros`)].join(', ')}
FROM object FINAL WHERE kind IN ('pod', 'node', 'service')
  AND valid_from < toDateTime({to:UInt32}, 'UTC') AND valid_to > toDateTime({from:UInt32}, 'UTC')`

/**
 * Adds what only ClickHouse knows of the objects of a window, as after a bus was begun anew; resolves to how many versions that were. Of those whose
 * end nobody told, it is not known whether they were there for longer than they were told of.
 */
export async function addHistory(
  [objects, identities]: readonly [ObjectTable, IdentityTable],
  reader: Pick<ClickHouse, 'query'>,
  { from, to }: { from: number; to: number },
  signal: AbortSignal,
): Promise<number> {
  const { rows } = await reader.query<Record<string, unknown>>(sql, { params: { from, to }, signal })
  let added = 0
  for (const row of rows) {
    const version = versionOf(row)
    if (objects.has(version)) continue
    objects.add(version)
    identities.add(version)
    added++
  }
  return added
}

function versionOf(row: Record<string, unknown>): ObjectVersion {
  const at = Object.fromEntries(times.map(name => [name, Number(row[`${name}_micros`])]))
  const version = { ...Object.fromEntries(columns.map(name => [name, row[name]])), ...at } as ObjectVersion
  return version.valid_to === openEnd && !version.ended_after ? { ...version, ended_after: version.time } : version
}
