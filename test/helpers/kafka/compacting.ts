import { openCluster } from '../../../runtime/bus/kafka/cluster.ts'
import { quietLog } from '../clickhouse.ts'

/** Of a broker that compacts at once, nearly. */
export const compactingBroker = { properties: { 'log.cleaner.backoff.ms': '100', 'log.initial.task.delay.ms': '100' } }

const settings = { 'cleanup.policy': 'compact', 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.001', 'delete.retention.ms': '100' }

/** Makes a topic that is compacted as soon as something has come after, tombstones included. */
export async function makeCompactingTopic(brokers: readonly string[], topic: string): Promise<void> {
  await using cluster = openCluster({ brokers, clientId: 'test', log: quietLog })
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  const topics = [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }]
  await cluster.persist(() => cluster.toAny('CreateTopics', { topics, timeout: 10_000 }))
}
