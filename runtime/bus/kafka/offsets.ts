import type { Cluster } from './cluster.ts'

const timestamps = { oldest: '-2', end: '-1', endOfLog: '-1' } as const
/** Whoever is no consumer is told of messages that are not on enough brokers yet. */
const noConsumer = 2 ** 31 - 1

/**
 * The offset of the oldest message, or the one after the newest; `endOfLog` counts those that its leader has and nobody may read yet,
 * because too few brokers have them.
 */
export async function offsetAt(cluster: Cluster, topic: string, partition: number, which: keyof typeof timestamps): Promise<number> {
  const replicaId = which === 'endOfLog' ? { replicaId: noConsumer } : {}
  const request = { ...replicaId, topics: [{ topic, partitions: [{ partition, timestamp: timestamps[which] }] }] }
  const { responses } = await cluster.toLeader(topic, partition, 'control', 'ListOffsets', request)
  return Number(responses[0].partitions[0].offset)
}

/** Both ends of every partition, in their order; waits for those without a leader. */
export async function endsOf(
  cluster: Cluster,
  topic: string,
  { signal, upTo = 'end' }: { signal?: AbortSignal; upTo?: 'end' | 'endOfLog' } = {},
): Promise<{ oldest: number; end: number }[]> {
  const { leaders } = await cluster.persist(() => cluster.layout(topic), signal)
  const ask = (partition: number, which: keyof typeof timestamps) =>
    cluster.persist(() => offsetAt(cluster, topic, partition, which), signal)
  return Promise.all(
    leaders.map(async (_, partition) => {
      const [oldest, end] = await Promise.all([ask(partition, 'oldest'), ask(partition, upTo)])
      return { oldest, end }
    }),
  )
}
