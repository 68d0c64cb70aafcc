import type { Position } from '../bus.ts'
import type { Cluster } from './cluster.ts'
import { offsetAt } from './offsets.ts'

/** What a group committed last for each of these partitions; undefined where it never did. */
export async function positionsOf(
  cluster: Cluster,
  groupId: string,
  topic: string,
  partitions: readonly number[],
): Promise<(Position | undefined)[]> {
  const request = { groupId, topics: [{ topic, partitions: partitions.map(partition => ({ partition })) }] }
  const { responses } = await cluster.toCoordinator(groupId, 'control', 'OffsetFetch', request)
  const found = new Map(responses.flatMap(({ partitions }) => partitions.map(({ partition, ...rest }) => [partition, rest])))
  return partitions.map(partition => {
    const { offset = '-1', metadata } = found.get(partition) ?? {}
    return Number(offset) < 0 ? undefined : { offset: Number(offset), metadata: metadata ?? '' }
  })
}

/** Where a group goes on: at the oldest message when it has committed nothing. */
export async function committedAt(cluster: Cluster, groupId: string, topic: string, partition: number): Promise<Position> {
  const [position] = await positionsOf(cluster, groupId, topic, [partition])
  return position ?? { offset: await offsetAt(cluster, topic, partition, 'oldest'), metadata: '' }
}
