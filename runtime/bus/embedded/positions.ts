import type { Position } from '../bus.ts'
import type { Database } from './database.ts'
import type { Topic } from './topic.ts'

/** How far the groups of a topic are, and in whose hands its one partition is for each. Every function is one step of a transaction. */
export interface Positions {
  /** A new group starts at the oldest message. */
  join(topic: Topic, group: string): void
  owner(topic: Topic, group: string): string | undefined
  committed(topic: Topic, group: string): Position | undefined
  claim(topic: Topic, group: string, owner: string): Position
  release(topic: Topic, group: string, owner: string): void
  /** False when the partition is in other hands: what a stale owner thinks it has read does not count. */
  commit(topic: Topic, group: string, owner: string, position: Position): boolean
  /** The group that has read least. */
  slowest(topic: Topic): { group: string; offset: number; readBytes: number } | undefined
  list(): { topicId: number; group: string; offset: number; readBytes: number }[]
}

export function openPositions(database: Database): Positions {
  const own = 'WHERE topic = ? AND consumers = ?'
  const columns = 'topic AS topicId, consumers AS "group", offset, read_bytes AS readBytes'
  const statements = {
    join: database.prepare('INSERT INTO position (topic, consumers, offset, read_bytes) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    owner: database.prepare(`SELECT owner FROM position ${own}`),
    committed: database.prepare(`SELECT offset, metadata FROM position ${own}`),
    claim: database.prepare(`UPDATE position SET owner = ?3 WHERE topic = ?1 AND consumers = ?2 RETURNING offset, metadata`),
    release: database.prepare(`UPDATE position SET owner = NULL ${own} AND owner = ?`),
    commit: database.prepare(
      `UPDATE position SET offset = ?4, metadata = ?5, read_bytes = ?6 WHERE topic = ?1 AND consumers = ?2 AND owner = ?3`,
    ),
    slowest: database.prepare(`SELECT ${columns} FROM position WHERE topic = ? ORDER BY offset LIMIT 1`),
    list: database.prepare(`SELECT ${columns} FROM position`),
  }
  const readBytes = (topic: Topic, offset: number) => topic.at(offset)?.start ?? topic.state().published_bytes
  return {
    join: (topic, group) => {
      const offset = topic.at(0)?.offset ?? topic.state().next
      statements.join.run(topic.id, group, offset, readBytes(topic, offset))
    },
    owner: (topic, group) => (statements.owner.get(topic.id, group)?.owner as string | null | undefined) ?? undefined,
    committed: (topic, group) => {
      const found = statements.committed.get(topic.id, group) as unknown as Position | undefined
      return found && { ...found }
    },
    claim: (topic, group, owner) => ({ ...(statements.claim.get(topic.id, group, owner) as unknown as Position) }),
    release: (topic, group, owner) => void statements.release.run(topic.id, group, owner),
    commit: (topic, group, owner, { offset, metadata }) =>
      statements.commit.run(topic.id, group, owner, offset, metadata, readBytes(topic, offset)).changes === 1,
    slowest: topic => statements.slowest.get(topic.id) as ReturnType<Positions['slowest']>,
    list: () => statements.list.all() as ReturnType<Positions['list']>,
  }
}
