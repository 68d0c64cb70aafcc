import { BlockBuilder } from '../../runtime/block/builder.ts'
import { type ClickHouse } from '../../runtime/clickhouse/client.ts'
import { type KindName, type RecordKind, collectedFields, kinds } from '../../schema/record.ts'
import type { Fields } from '../../schema/field.ts'

let inserts = 0

/** Stores records of a kind, with the columns the enricher would fill; in a cluster one after the other in each shard. */
export async function store(clickhouse: ClickHouse, kind: KindName, records: readonly Record<string, unknown>[]): Promise<void> {
  const shards = kinds[kind].replacing ? 1 : (clickhouse.shards ?? 1)
  for (let shard = 0; shard < shards; shard++) {
    const own = records.filter((_, row) => row % shards === shard)
    if (own.length) await storeIn(clickhouse, kind, own, shard)
  }
}

async function storeIn(clickhouse: ClickHouse, kind: KindName, records: readonly Record<string, unknown>[], shard: number): Promise<void> {
  const builder = new BlockBuilder(attributed(kinds[kind]), records.length)
  const received = 'received' in kinds[kind].fields
  for (const record of records) builder.add(received ? { received: record.time, ...record } : record)
  await clickhouse.insertNative(kind, [Buffer.from(builder.encode())], { token: `test-${++inserts}`, shard })
}

/** The kind as if collectors wrote every field. */
function attributed(kind: RecordKind): RecordKind {
  const fields: Fields = Object.fromEntries(Object.entries(kind.fields).map(([name, field]) => [name, { ...field, filledBy: undefined }]))
  return collectedFields(kind).length === Object.keys(fields).length ? kind : { ...kind, fields }
}
