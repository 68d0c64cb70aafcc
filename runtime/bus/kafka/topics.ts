import { type TopicOptions, usualTombstoneMs } from '../bus.ts'
import type { Cluster } from './cluster.ts'
import { typeOf } from './error.ts'

export interface TopicDefaults {
  partitions: number
  replication: number
  /** The largest message, in bytes. */
  maxMessageBytes: number
}

/** What stands on Kafka otherwise than it is configured; nobody but its owner changes that. */
export interface Difference {
  topic: string
  setting: string
  is: string
  expected: string
}

const timeoutMs = 10_000
const knownWithinMs = 15_000
const topicResource = 2
/** What was written since is not compacted. */
const compactedAfterMs = 6 * 3_600_000

/** Makes the topic unless it is there; then says what differs. */
export async function prepareTopic(
  cluster: Cluster,
  topic: string,
  options: TopicOptions,
  configured: TopicDefaults,
): Promise<{ made: boolean; differences: Difference[] }> {
  const defaults = options.ordered ? { ...configured, partitions: 1 } : configured
  const { partitions, replication } = defaults
  const settings = settingsOf(options, defaults)
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  const topics = [{ topic, numPartitions: partitions, replicationFactor: replication, configEntries }]
  try {
    await cluster.persist(() => cluster.toAny('CreateTopics', { topics, timeout: timeoutMs }))
    await untilKnown(cluster, topic)
    return { made: true, differences: [] }
  } catch (error) {
    if (!isThere(error)) throw creationError(topic, error)
    return { made: false, differences: await differencesOf(cluster, topic, settings, defaults) }
  }
}

/** Brokers that are busy hear late of a topic that was just made. */
async function untilKnown(cluster: Cluster, topic: string): Promise<void> {
  for (const end = Date.now() + knownWithinMs; ;)
    try {
      return void (await cluster.persist(() => cluster.layout(topic)))
    } catch (error) {
      if (typeOf(error) !== 'UNKNOWN_TOPIC_OR_PARTITION' || Date.now() > end) throw error
    }
}

/** kafkajs wraps the answers for several topics. */
const answersOf = (error: unknown): unknown[] => (error as { errors?: unknown[] }).errors ?? [error]
const isThere = (error: unknown) => answersOf(error).some(one => typeOf(one) === 'TOPIC_ALREADY_EXISTS')

function creationError(topic: string, error: unknown): Error {
  const [first] = answersOf(error)
  const text = (first as Error).message
  return new Error(`cannot create topic ${topic} on Kafka: ${typeOf(first)}: ${text}`, { cause: first })
}

/** Kafka's names. What nobody has read is removed there like all the rest, by age and size. */
function settingsOf(
  { compacted, tombstoneMs = usualTombstoneMs, maxAgeMs, maxBytes }: TopicOptions,
  { partitions, replication, maxMessageBytes }: TopicDefaults,
) {
  const kept: Record<string, string> = compacted
    ? { 'cleanup.policy': 'compact', 'segment.ms': String(compactedAfterMs), 'delete.retention.ms': String(tombstoneMs) }
    : {
        'cleanup.policy': 'delete',
        'retention.ms': String(maxAgeMs ?? -1),
        ...(maxBytes !== undefined && sizeSettings(Math.ceil(maxBytes / partitions))),
      }
  return {
    ...kept,
    'max.message.bytes': String(maxMessageBytes),
    'compression.type': 'producer',
    'min.insync.replicas': String(replication > 2 ? 2 : 1),
  }
}

/** Only whole segments are removed. */
const sizeSettings = (bytes: number) => ({
  'retention.bytes': String(bytes),
  'segment.bytes': String(Math.min(1 << 30, Math.max(1 << 20, Math.ceil(bytes / 4)))),
})

async function differencesOf(
  cluster: Cluster,
  topic: string,
  settings: Readonly<Record<string, string>>,
  { partitions, replication }: TopicDefaults,
): Promise<Difference[]> {
  const layout = await cluster.persist(() => cluster.layout(topic))
  const resources = [{ type: topicResource, name: topic, configNames: Object.keys(settings) } as const]
  const answer = await cluster.persist(() => cluster.toAny('DescribeConfigs', { resources, includeSynonyms: false }))
  const found = new Map(answer.resources[0].configEntries.map(({ configName, configValue }) => [configName, configValue]))
  const compared = [
    { setting: 'partitions', is: String(layout.leaders.length), expected: String(partitions) },
    { setting: 'replication', is: String(layout.replicas), expected: String(replication) },
    ...Object.entries(settings).map(([setting, expected]) => ({ setting, is: found.get(setting) ?? 'unknown', expected })),
  ]
  return compared.filter(({ is, expected }) => is !== expected).map(one => ({ topic, ...one }))
}
