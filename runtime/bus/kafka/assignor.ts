import { ByteReader, ByteWriter } from './bytes.ts'

/** What a member of a group says of itself. */
export interface Subscription {
  topic: string
  /** The partitions it holds and goes on with until it hears that they are another's. */
  owned: readonly number[]
  /** The generation in which it got them. */
  generation: number
  /** How many partitions it knows the topic to have. */
  partitions: number
}

export interface Member extends Subscription {
  id: string
}

/**
 * Evenly, and with as little change as can be. A partition that shall move is nobody's at first: its holder learns that it has lost
 * it, lets go and joins anew, and then it is given to another. So two members never work on it at once, and nobody stops for others.
 */
export function assign(members: readonly Member[]): Map<string, number[]> {
  const byTopic = Map.groupBy(members, ({ topic }) => topic)
  return new Map([...byTopic.values()].flatMap(ofTopic => [...assignTopic(ofTopic)]))
}

function assignTopic(members: readonly Member[]): Map<string, number[]> {
  const partitions = Math.max(...members.map(({ partitions }) => partitions))
  const holders = holdersOf(members)
  const held = new Map(members.map(({ id }) => [id, [...holders].flatMap(([partition, holder]) => (holder === id ? partition : []))]))
  const byHolding = [...held].sort(([a, own], [b, other]) => other.length - own.length || (a < b ? -1 : 1))
  const share = Math.floor(partitions / members.length)
  const larger = partitions % members.length
  const quotas = new Map(byHolding.map(([id], index) => [id, share + (index < larger ? 1 : 0)]))
  const assigned = new Map(byHolding.map(([id, own]) => [id, own.slice(0, quotas.get(id))]))
  const free = Array.from({ length: partitions }, (_, partition) => partition).filter(partition => !holders.has(partition))
  for (const [id, own] of assigned) own.push(...free.splice(0, quotas.get(id)! - own.length))
  return assigned
}

/** Of two that claim a partition, the one that got it later holds it. */
function holdersOf(members: readonly Member[]): Map<number, string> {
  const holders = new Map<number, string>()
  for (const { id, owned } of members.toSorted((a, b) => a.generation - b.generation))
    for (const partition of owned) holders.set(partition, id)
  return holders
}

const version = 1

/** As Kafka's own consumers write it, so that its tools can show who has what. */
export function encodeSubscription({ topic, owned, generation, partitions }: Subscription): Buffer {
  const ours = Buffer.from(JSON.stringify({ generation, partitions }))
  const writer = new ByteWriter().int16(version).int32(1).text(topic).bytes(ours)
  return writer
    .int32(1)
    .text(topic)
    .list(owned, partition => writer.int32(partition))
    .end()
}

export function decodeSubscription(bytes: Buffer): Subscription {
  const reader = new ByteReader(bytes).skip(6)
  const topic = reader.text()
  const ours = JSON.parse(reader.bytes().toString()) as { generation: number; partitions: number }
  reader.skip(4).text()
  return { topic, owned: reader.list(() => reader.int32()), ...ours }
}

export function encodeAssignment(topic: string, partitions: readonly number[]): Buffer {
  const writer = new ByteWriter().int16(version).int32(1).text(topic)
  return writer
    .list(partitions, partition => writer.int32(partition))
    .int32(-1)
    .end()
}

export function decodeAssignment(bytes: Buffer): number[] {
  if (!bytes.length) return []
  const reader = new ByteReader(bytes).skip(6)
  reader.text()
  return reader.list(() => reader.int32())
}
