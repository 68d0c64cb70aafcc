import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '../../runtime/bus/bus.ts'
import { type RecordKind, topicsOf } from '../../schema/record.ts'
import { readNote } from '../batch.ts'
import { type Tag, tagMessage } from '../tag.ts'

export interface Fence {
  bus: Pick<Bus, 'publishToAll' | 'positions'>
  /** Who reads the topics. */
  group: string
  kind: RecordKind
  /** Told now and then which partitions are awaited, as topic/partition. */
  onWait?(partitions: readonly string[]): void
}

const lookEveryMs = 200
const againMs = 30_000

/**
 * Resolves when every row of the tag's window that is not stored yet will have its revision: then the position of each partition says that
 * its reader marks them, and with it that all it had read before is stored. Partitions that come late, and readers whose messages were
 * removed unread, are told again.
 */
export async function untilTagged({ bus, group, kind, onWait = () => {} }: Fence, tag: Tag, signal: AbortSignal): Promise<void> {
  const topics = topicsOf(kind)
  for (let toldAt = -Infinity; ;) {
    const waiting = (await Promise.all(topics.map(topic => untagged(bus, topic, group, tag)))).flat()
    if (!waiting.length) return
    if (Date.now() - toldAt > againMs) {
      await Promise.all(topics.map(topic => bus.publishToAll(topic, tagMessage(kind, tag), signal)))
      toldAt = Date.now()
    }
    onWait(waiting)
    await sleep(lookEveryMs, undefined, { signal })
  }
}

async function untagged(bus: Fence['bus'], topic: string, group: string, tag: Tag): Promise<string[]> {
  const positions = await bus.positions(topic, group)
  return positions.flatMap((position, partition) => (noteHas(position?.metadata, tag) ? [] : [`${topic}/${partition}`]))
}

function noteHas(metadata: string | undefined, { revision }: Tag): boolean {
  return metadata !== undefined && (readNote(metadata).memory.tag?.revision ?? 0) >= revision
}
