import { reattribute } from '../../enricher/reattribution/run.ts'
import { openEmbeddedBus } from '../../runtime/bus/embedded.ts'
import { openClickHouse } from '../../runtime/clickhouse/client.ts'
import { quietLog } from '../helpers/clickhouse.ts'
import { hour, objects, steps } from './reattributing.ts'

/** A process that attributes an hour again, to be killed: `node reattribute-process.ts <url> <database> <bus> <id> <known|unknown>`. */
const [url, database, path, id, knows] = process.argv.slice(2)
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
await reattribute({ id, kind: 'flow', from: hour, to: hour + 7200, provisional: false }, running, AbortSignal.timeout(120_000))
