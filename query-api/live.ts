import { setTimeout as sleep } from 'node:timers/promises'
import { type RecordKind, manyRecords } from '../schema/record.ts'
import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import { parseFilter } from './filter/parse.ts'
import { Parameters, filterSql } from './filter/sql.ts'
import { type Row, recordColumns, toRow } from './records.ts'
import { statementSettings } from './query.ts'
import { readVisible } from './visible.ts'

export interface LiveBatch {
  rows: Row[]
  /** Records of the same moment that were left out, because there were too many. */
  skipped: number
}

export interface LiveOptions {
  clickhouse: ClickHouse
  kind: RecordKind
  where?: string
  signal: AbortSignal
  /** How much later records come where they wait for the objects of their cluster. */
  objectsWaitMs?: number
  everyMs?: number
  mostRows?: number
}

/** Records seen longer ago than this are late, and are not shown live. */
const latestSeconds = 300
/** Records that take longer from the collector into the table are not shown live. The enricher gathers many for longer than few. */
const settleMs = { few: 2500, many: 7500 }

/**
 * Records as they are stored, attributed, in the order they were received. They are read by `received`, a little behind the clock, because
 * blocks reach the table in batches.
 */
export async function* live({
  clickhouse,
  kind,
  where,
  signal,
  everyMs = 1000,
  mostRows = 200,
  objectsWaitMs = 0,
}: LiveOptions): AsyncGenerator<LiveBatch> {
  const parameters = new Parameters()
  const filter = parseFilter(where ?? '', kind.fields)
  const wanted = [range(kind), ...(filter ? [`(${filterSql(filter, parameters)})`] : [])]
  const read = <T>(sql: string, from: number, to: number) =>
    clickhouse.query<T>(sql, {
      params: { ...parameters.values, from, to, oldest: from - latestSeconds * 1e6 },
      signal,
      settings: statementSettings,
    })

  const settled = async () => {
    const [many, waits] = await Promise.all([howMany(clickhouse, kind, signal), objectsWaitMs > 0 && waitsForObjects(clickhouse, signal)])
    return (Date.now() - settleMs[many] - (waits ? objectsWaitMs : 0)) * 1000
  }

  for (let from = await settled(); !signal.aborted;) {
    await sleep(everyMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    const to = await settled()
    if (to <= from) continue
    const condition = [...wanted, (await readVisible(clickhouse)).condition(kind, 'time') ?? []].flat().join(' AND ')
    const { rows } = await read<Record<string, unknown>>(
      `SELECT ${recordColumns(kind)} FROM ${kind.name} WHERE ${condition} ORDER BY ${clock(kind)} DESC LIMIT ${mostRows}`,
      from,
      to,
    )
    const full = rows.length === mostRows
    const count = full
      ? (await read<{ count: number }>(`SELECT count() AS count FROM ${kind.name} WHERE ${condition}`, from, to)).rows[0].count
      : rows.length
    yield { rows: rows.toReversed().map(row => toRow(kind, row)), skipped: Math.max(0, count - rows.length) }
    from = to
  }
}

/** How much of the kind came in the last minutes, by its rollup. */
async function howMany(clickhouse: ClickHouse, { name, measures }: RecordKind, signal: AbortSignal): Promise<'few' | 'many'> {
  if (!measures) return 'few'
  const { rows } = await clickhouse.query<{ most: number }>(
    `SELECT max(records) AS most FROM (SELECT sum(records) AS records FROM ${name}_1m WHERE bucket >= now() - 150 GROUP BY bucket)`,
    { signal, settings: statementSettings },
  )
  return rows[0].most < manyRecords * 60 ? 'few' : 'many'
}

/** Records wait for the objects of clusters of which it is told up to when these are complete. */
async function waitsForObjects(clickhouse: ClickHouse, signal: AbortSignal): Promise<boolean> {
  const sql = "SELECT count() AS clusters FROM object WHERE kind = 'cluster'"
  const { rows } = await clickhouse.query<{ clusters: number }>(sql, { signal, settings: statementSettings })
  return rows[0].clusters > 0
}

/** Objects have no time of receipt; they are noticed here. */
const clock = ({ fields }: RecordKind) => (Object.hasOwn(fields, 'received') ? 'received' : 'time')

const range = (kind: RecordKind) =>
  `${clock(kind)} >= fromUnixTimestamp64Micro({from:Int64}) AND ${clock(kind)} < fromUnixTimestamp64Micro({to:Int64}) AND time >= fromUnixTimestamp64Micro({oldest:Int64})`
