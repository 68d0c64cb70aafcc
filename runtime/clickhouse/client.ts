import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client'
import { quoteName } from '../../schema/clickhouse.ts'
import { answers } from './answers.ts'
import { toClickHouseError } from './error.ts'

export { ClickHouseError } from './error.ts'

export type Settings = ClickHouseSettings

export interface QueryOptions {
  /** Values of `{name:Type}` in the SQL. */
  params?: Record<string, unknown>
  settings?: Settings
  signal?: AbortSignal
  queryId?: string
  /** Another database than the client's, which may not exist yet. */
  database?: string
}

export interface QueryResult<T> {
  rows: T[]
  columns: { name: string; type: string }[]
  statistics: { elapsed: number; rows_read: number; bytes_read: number }
}

export interface InsertOptions {
  token: string
  /** Which share of the rows it belongs to, counted from 0; a single server takes them all. */
  shard?: number
  settings?: Settings
  signal?: AbortSignal
}

/** Where records are inserted. */
export interface Inserter {
  /** How many shares the rows are kept in; one when absent. */
  readonly shards?: number
  /**
   * Native blocks as one INSERT, which becomes one part a partition. A repeat with the same token and the same blocks counts once, in the
   * table and in the views that read from it.
   */
  insertNative(table: string, blocks: readonly Uint8Array[], options: InsertOptions): Promise<void>
}

/** A ClickHouse server and a database on it. What fails rejects with a ClickHouseError. */
export interface ClickHouse extends Inserter, AsyncDisposable {
  readonly database: string
  /** The cluster whose servers share the database; absent when it is on this server alone. */
  readonly cluster?: string
  /** Address without user and password. */
  readonly where: string
  /** Rows as objects; 64-bit numbers are numbers, NaN and infinities null. */
  query<T>(sql: string, options?: QueryOptions): Promise<QueryResult<T>>
  /** A statement without a result. */
  command(sql: string, options?: QueryOptions): Promise<void>
  /** The body of the answer as it comes; `sql` names its FORMAT. */
  stream(sql: string, options?: QueryOptions): Promise<Readable>
  /** Whether the server answers. */
  ping(timeoutMs?: number): Promise<boolean>
}

const querySettings: Settings = {
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_denormals: 0,
  // An error in the midst of a result becomes an error, not a result cut short.
  wait_end_of_query: 1,
}

// The token names the whole insert, so a repeat must be cut into the same pieces: one.
const insertSettings: Settings = {
  async_insert: 0,
  insert_deduplicate: 1,
  deduplicate_blocks_in_dependent_materialized_views: 1,
  max_insert_block_size: '100000000',
  min_insert_block_size_rows: '100000000',
  min_insert_block_size_bytes: '0',
  max_insert_threads: '1',
  parallel_view_processing: 0,
  // Clocks that are wrong must not stop what is right.
  max_partitions_per_insert_block: '0',
}

export interface ClickHouseOptions {
  /** http(s)://user:password@host:port */
  url: string
  database?: string
  cluster?: string
  requestTimeoutMs?: number
  maxConnections?: number
  /** For all statements. */
  settings?: Settings
}

export function openClickHouse({
  url,
  database = 'weir',
  cluster,
  requestTimeoutMs = 120_000,
  maxConnections = 16,
  settings = {},
}: ClickHouseOptions): ClickHouse {
  const { origin: where } = new URL(url)
  const client = createClient({
    url,
    database,
    request_timeout: requestTimeoutMs,
    max_open_connections: maxConnections,
    compression: { request: false, response: false },
    clickhouse_settings: settings,
    log: { level: ClickHouseLogLevel.OFF },
  })

  const failing = async <T>(signal: AbortSignal | undefined, work: Promise<T>, inserting = false): Promise<T> => {
    try {
      return await work
    } catch (error) {
      signal?.throwIfAborted()
      throw toClickHouseError(error, where, { inserting })
    }
  }

  const parameters = ({ params, settings, signal, queryId, database }: QueryOptions) => ({
    query_params: params,
    clickhouse_settings: settings,
    abort_signal: signal,
    query_id: queryId,
    http_headers: database ? { 'X-ClickHouse-Database': database } : undefined,
  })

  return {
    database,
    cluster,
    where,

    query<T>(sql: string, options: QueryOptions = {}): Promise<QueryResult<T>> {
      const run = async () => {
        const request = parameters({ ...options, settings: { ...querySettings, ...options.settings } })
        const result = await client.query({ ...request, query: sql, format: 'JSONCompact' })
        const { meta = [], data, statistics } = await result.json<unknown[]>()
        const rows = data.map(values => Object.fromEntries(meta.map(({ name }, i) => [name, values[i]])) as T)
        return { rows, columns: meta, statistics: statistics ?? { elapsed: 0, rows_read: 0, bytes_read: 0 } }
      }
      return failing(options.signal, run())
    },

    async command(sql, options = {}) {
      await failing(options.signal, client.command({ ...parameters(options), query: sql }))
    },

    async stream(sql, options = {}) {
      const { stream } = await failing(options.signal, client.exec({ ...parameters(options), query: sql }))
      return stream
    },

    insertNative(table, blocks, { token, settings, signal }) {
      const run = async () => {
        const { stream } = await client.exec({
          query: `INSERT INTO ${quoteName(table)} FORMAT Native`,
          values: Readable.from(blocks, { objectMode: true, highWaterMark: 2 }),
          clickhouse_settings: { ...insertSettings, insert_deduplication_token: token, ...settings },
          abort_signal: signal,
        })
        await text(stream)
      }
      return failing(signal, run(), true)
    },

    // Not the client's own ping, which logs every refusal.
    ping: timeoutMs => answers(`${where}/ping`, { timeoutMs }),

    [Symbol.asyncDispose]: () => client.close(),
  }
}
