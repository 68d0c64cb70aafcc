import type { GroupLag } from '../bus.ts'
import type { Cluster } from './cluster.ts'
import { fetchOnce } from './fetch-once.ts'
import { endsOf } from './offsets.ts'
import { positionsOf } from './positions.ts'

export interface LagOptions {
  cluster: Cluster
  /** What the names of our groups begin with on Kafka. */
  groupPrefix: string
  topics: readonly string[]
}

/** The first batch of it tells the age and the size of messages. */
const sample = { maxBytes: 1, maxPartitionBytes: 1 }

/**
 * How far each of our groups is behind on each topic it has read. Kafka does not tell how many bytes there are between two
 * offsets: they are estimated from the messages that come next. Rejects when a broker does not answer: its groups are not known then.
 */
export async function lagOf({ cluster, groupPrefix, topics }: LagOptions): Promise<GroupLag[]> {
  const groups = await groupsOf(cluster, groupPrefix)
  const ends = new Map(await Promise.all(topics.map(async topic => [topic, await endsOf(cluster, topic)] as const)))
  const pairs = groups.flatMap(groupId => topics.map(topic => ({ groupId, topic, ends: ends.get(topic)! })))
  const lags = await Promise.all(pairs.map(pair => topicLag(cluster, pair, groupPrefix)))
  return lags.filter(lag => lag !== undefined)
}

async function groupsOf(cluster: Cluster, prefix: string): Promise<string[]> {
  const nodes = await cluster.nodes()
  const answers = await Promise.all(nodes.map(node => cluster.toNode(node, 'control', 'ListGroups', {})))
  return answers.flatMap(({ groups }) => groups.map(({ groupId }) => groupId)).filter(groupId => groupId.startsWith(prefix))
}

interface GroupOnTopic {
  groupId: string
  topic: string
  ends: readonly { oldest: number; end: number }[]
}

async function topicLag(cluster: Cluster, { groupId, topic, ends }: GroupOnTopic, prefix: string): Promise<GroupLag | undefined> {
  const positions = await positionsOf(cluster, groupId, topic, [...ends.keys()])
  if (!positions.some(position => position)) return undefined
  const lag = { topic, group: groupId.slice(prefix.length), messages: 0, bytes: 0, ageMs: 0 }
  for (const [partition, { oldest, end }] of ends.entries()) {
    const offset = Math.max(oldest, positions[partition]?.offset ?? oldest)
    if (offset >= end) continue
    const { size, time } = await nextMessages(cluster, topic, partition, offset)
    lag.messages += end - offset
    lag.bytes += Math.round((end - offset) * size)
    lag.ageMs = Math.max(lag.ageMs, Date.now() - time)
  }
  return lag
}

/** Bytes of a message and the time of the first of those that come next. */
async function nextMessages(cluster: Cluster, topic: string, partition: number, offset: number): Promise<{ size: number; time: number }> {
  const { messages } = await fetchOnce(cluster, { topic, partition, offset }, sample)
  const bytes = messages.reduce((sum, { body, ids }) => sum + body.length + (ids?.length ?? 0), 0)
  return { size: bytes / Math.max(1, messages.length), time: messages[0]?.time ?? Date.now() }
}
