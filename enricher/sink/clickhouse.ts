import { setTimeout as sleep } from 'node:timers/promises'
import { ClickHouseError, type Inserter } from '../../runtime/clickhouse/client.ts'
import { type Logger, describe } from '../../runtime/log.ts'
import type { Instruments } from '../../runtime/telemetry.ts'
import type { RecordKind } from '../../schema/record.ts'
import type { StoredBlock } from '../batch.ts'
import type { Sink } from './sink.ts'

export interface ClickHouseSinkOptions {
  clickhouse: Inserter
  log: Logger
  instruments: Instruments
  signal: AbortSignal
  /** Told why nothing can be stored, and undefined once it can again. */
  onBlocked(reason: string | undefined): void
  /** Told of a block ClickHouse will never take; resolves when it is kept elsewhere. */
  refused(kind: RecordKind, block: StoredBlock, error: Error): Promise<void>
  maxRetryMs?: number
}

interface Place {
  token: string
  shard: number
}

/** Inserts into ClickHouse, for as long as it takes: what is late is not lost. */
export function clickhouseSink({
  clickhouse,
  log,
  instruments,
  signal,
  onBlocked,
  refused,
  maxRetryMs = 5000,
}: ClickHouseSinkOptions): Sink {
  const blocked = new Map<number, string>()

  function tell(shard: number, reason: string | undefined) {
    if (reason === undefined) blocked.delete(shard)
    else blocked.set(shard, reason)
    onBlocked(blocked.size ? [...new Set(blocked.values())].join('; ') : undefined)
  }

  async function insert(kind: RecordKind, blocks: readonly StoredBlock[], { token, shard }: Place) {
    for (let attempt = 0; ; attempt++)
      try {
        await clickhouse.insertNative(
          kind.name,
          blocks.map(({ bytes }) => bytes),
          { token, shard },
        )
        if (attempt) log.info({ attempts: attempt + 1 }, 'storing again')
        tell(shard, undefined)
        return
      } catch (error) {
        if (signal.aborted || !(error instanceof ClickHouseError) || !error.retriable) throw error
        if (!attempt) log.warn({ error }, 'cannot store, trying again')
        tell(shard, `clickhouse: ${describe(error)}`)
        await sleep(Math.min(maxRetryMs, 100 * 2 ** attempt), undefined, { signal })
      }
  }

  /** Finds the blocks ClickHouse refuses by inserting one at a time, each under a token of its own. */
  async function insertEach(kind: RecordKind, blocks: readonly StoredBlock[], { token, shard }: Place) {
    for (const [number, block] of blocks.entries())
      try {
        await insert(kind, [block], { token: `${token}/${number}`, shard })
      } catch (error) {
        if (signal.aborted) throw error
        instruments.discarded(block.rows, 'refused', { kind: kind.name })
        log.error({ kind: kind.name, rows: block.rows, error }, 'ClickHouse refuses a block')
        await refused(kind, block, error as Error)
      }
  }

  return {
    async write(kind, { rows, blocks, shard }, token) {
      if (!blocks.length) return
      try {
        await insert(kind, blocks, { token, shard })
      } catch (error) {
        if (signal.aborted) throw error
        await insertEach(kind, blocks, { token, shard })
      }
      instruments.sent(rows, { kind: kind.name })
    },
  }
}
