import type { Cluster } from './cluster.ts'
import { type Decoded, decodeBatches } from './decode.ts'
import { type FetchOptions, type FetchPosition, fetchRequest } from './transfer.ts'
import { errorOfCode } from './wire.ts'

const atOnce: FetchOptions = { waitMs: 0, maxBytes: 8 << 20, maxPartitionBytes: 8 << 20 }

/** What is in a partition from an offset on: at least a batch, unless that is its end. */
export async function fetchOnce(cluster: Cluster, position: FetchPosition, options: Partial<FetchOptions> = {}): Promise<Decoded> {
  const { topic, partition, offset } = position
  const request = fetchRequest([position], { ...atOnce, ...options })
  return cluster.persist(async () => {
    const [{ errorCode, records }] = await cluster.toLeader(topic, partition, 'fetch once', 'Fetch', request)
    if (errorCode) {
      cluster.forget(topic)
      throw errorOfCode(errorCode)
    }
    return decodeBatches(records, offset)
  })
}
