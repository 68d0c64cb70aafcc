import { reattribute } from '../../enricher/reattribution/run.ts'
import { openEmbeddedBus } from '../../runtime/bus/embedded.ts'
import { openClickHouse } from '../../runtime/clickhouse/client.ts'
import type { AttributedKind } from '../../schema/reattribution.ts'
import { quietLog } from '../helpers/clickhouse.ts'
import { objects, steps } from './reattributing.ts'

/** A process that attributes an hour again, to be killed: `node reattribute-process.ts <url> <database> <bus> <id> <known|unknown> <kind> <from>`: two hours. */
const [url, database, path, id, knows, kind, from] = process.argv.slice(2)
await using clickhouse = openClickHouse({ url, database })
await using bus = await openEmbeddedBus({ path, log: quietLog })
const stores = { reader: clickhouse, inserter: clickhouse, shards: async () => [[clickhouse]] }
const running = {
  stores,
  bus,
  group: 'enricher',
  steps: steps({}, knows === 'known' ? objects : []),
  log: quietLog,
  settleMs: 0,
  maxRows: 100,
}
const window = { from: Number(from), to: Number(from) + 7200 }
await reattribute({ id, kind: kind as AttributedKind, ...window, provisional: false }, running, AbortSignal.timeout(120_000))
