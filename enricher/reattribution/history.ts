import type { Bus } from '../../runtime/bus/bus.ts'
import type { ClickHouse } from '../../runtime/clickhouse/client.ts'
import type { Logger } from '../../runtime/log.ts'
import { type ObjectVersion, knowledgeKinds, objectFields, objectKey, openEnd } from '../../schema/object.ts'
import { object } from '../../schema/record.ts'
import { type Table, loadObjects } from '../load.ts'
import { type IdentityOptions, IdentityTable } from '../tables/identities.ts'
import { ObjectTable } from '../tables/objects.ts'

interface Deps {
  bus: Bus
  reader: Pick<ClickHouse, 'query'>
  log: Logger
  /** How long ClickHouse keeps versions that ended. */
  days?: number
  identity?: IdentityOptions
}

/** Whole hours, seconds since 1970. */
interface Window {
  from: number
  to: number
}

export interface History extends AsyncDisposable {
  tables: { objects: ObjectTable; identities: IdentityTable }
}

const dayMicros = 86_400e6

/**
 * What was true in a window that may be longer ago than enrichers remember: what the bus knows, and what only ClickHouse still does. It is kept beside
 * what is needed for records that come, and goes on with the bus until it is closed.
 */
export async function openHistory(
  { bus, reader, log, days = object.days, identity }: Deps,
  window: Window,
  signal: AbortSignal,
): Promise<History> {
  const over = new AbortController()
  const objects = new ObjectTable()
  const identities = new IdentityTable(identity)
  const keys = new Set<string>()
  // What the bus has forgotten ClickHouse has not.
  const whole: Table = {
    add(version) {
      if (version.kind === 'history') return
      keys.add(objectKey(version))
      objects.add(version)
      identities.add(version)
    },
  }
  const { followed } = await loadObjects(bus, [whole], AbortSignal.any([signal, over.signal]), log)
  try {
    const added = await addHistory([objects, identities], keys, reader, window, signal)
    if (added) log.info({ versions: added }, 'objects that only ClickHouse knew')
    for (const table of [objects, identities]) table.forget(Date.now() * 1000 - days * dayMicros)
  } catch (error) {
    over.abort()
    throw error
  }
  return {
    tables: { objects, identities },
    async [Symbol.asyncDispose]() {
      over.abort()
      await followed.catch(() => {})
    },
  }
}

const isTime = (name: string) => objectFields[name as keyof typeof objectFields].type === 'time'
const names = Object.keys(objectFields).filter(name => name !== 'source')
const [times, columns] = [names.filter(isTime), names.filter(name => !isTime(name))]

const sql = `SELECT ${[...columns, ...times.map(name => `toUnixTimestamp64Micro(${name}) AS ${name}_micros`)].join(', ')}
FROM object FINAL WHERE kind NOT IN (${knowledgeKinds.map(kind => `'${kind}'`).join(', ')})
  AND valid_from < toDateTime({to:UInt32}, 'UTC') AND valid_to > toDateTime({from:UInt32}, 'UTC')`

/**
 * Adds what only ClickHouse knows of the objects of a window; resolves to how many versions that were. Of those whose end nobody told, as after a bus
 * was begun anew, it is not known whether they were there for longer than they were told of.
 */
async function addHistory(
  tables: readonly Table[],
  known: ReadonlySet<string>,
  reader: Pick<ClickHouse, 'query'>,
  { from, to }: Window,
  signal: AbortSignal,
): Promise<number> {
  const { rows } = await reader.query<Record<string, unknown>>(sql, { params: { from, to }, signal })
  let added = 0
  for (const row of rows) {
    const version = versionOf(row)
    if (known.has(objectKey(version))) continue
    for (const table of tables) table.add(version)
    added++
  }
  return added
}

function versionOf(row: Record<string, unknown>): ObjectVersion {
  const at = Object.fromEntries(times.map(name => [name, Number(row[`${name}_micros`])]))
  const version = { ...Object.fromEntries(columns.map(name => [name, row[name]])), ...at } as ObjectVersion
  return version.valid_to === openEnd && !version.ended_after ? { ...version, ended_after: version.time } : version
}
