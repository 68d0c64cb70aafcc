import type { Block } from '../../runtime/block/block.ts'
import type { Outbox, Published } from '../outbox.ts'
import type { Nodes } from './nodes.ts'
import type { Remembered } from './remember.ts'

/** Nodes that were silent for longer do not hold back where we go on. */
export const activeMicros = 600e6
/** What is asked for again: events of a node are not quite in order. */
export const overlapMicros = 5e6
const dayMs = 86_400_000

export interface Memories {
  flow: Remembered
  request: Remembered
  loss: Remembered
}

/**
 * Learns from the bus what this collector published: the ids, when each node was last heard, and from where on the source
 * has to be asked again. Undefined when there is nothing to go on from.
 */
export async function recall(
  outbox: Pick<Outbox, 'published'>,
  memories: Memories,
  { nodes, ...limits }: { nodes: Nodes; maxRecords: number; lagMicros?: number },
): Promise<number | undefined> {
  for (const kind of ['loss', 'request'] as const) await load(memories, { outbox, kind, ...limits })
  const flows = await load(memories, { outbox, kind: 'flow', ...limits })
  let unrequested = Infinity
  for (const published of flows) {
    const block = published.block()
    hear(nodes, block)
    unrequested = Math.min(unrequested, oldestWithout(memories.request, published.ids, block))
  }
  const since = Math.min(resumeFrom(nodes) ?? Infinity, unrequested - overlapMicros)
  return Number.isFinite(since) ? since : undefined
}

/** Where to go on: a little before the last flow of the node that is furthest behind. Microseconds. */
export function resumeFrom(nodes: Nodes): number | undefined {
  const active = nodes.active(activeMicros)
  return active.length ? Math.min(...active.map(node => node.last)) - overlapMicros : undefined
}

interface Wanted {
  outbox: Pick<Outbox, 'published'>
  kind: keyof Memories
  maxRecords: number
  lagMicros?: number
}

/** Remembers the newest blocks, as far back as a node may lag, and returns them, the oldest first. */
async function load(memories: Memories, { outbox, kind, maxRecords, lagMicros = activeMicros }: Wanted): Promise<Published[]> {
  const found: Published[] = []
  let records = 0
  let latest = -Infinity
  for await (const published of outbox.published(kind, dayMs)) {
    latest = Math.max(latest, published.maxTime)
    records += published.ids.length / 8
    if (records > maxRecords || published.maxTime < latest - lagMicros - 2 * overlapMicros) {
      memories[kind].horizon = published.maxTime
      break
    }
    found.push(published)
  }
  found.reverse()
  for (const { ids, minTime, maxTime } of found) memories[kind].load(ids, minTime, maxTime)
  return found
}

const timeAt = (words: Uint32Array, row: number) => words[row * 2] + words[row * 2 + 1] * 4294967296

/** The last time of each node. */
function hear(nodes: Nodes, block: Block): void {
  const reporters = block.labels('reporter')
  const clusters = block.labels('cluster')
  const times = block.words('time')
  for (let row = 0; row < block.rows; row++) {
    const node = nodes.of(clusters.keys[clusters.codes[row]], reporters.keys[reporters.codes[row]])
    node.last = Math.max(node.last, timeAt(times, row))
  }
}

/** Time of the oldest L7 flow whose request was not published before the end: the two kinds travel apart. */
function oldestWithout(requests: Remembered, ids: Uint8Array, block: Block): number {
  const types = block.labels('type')
  const l7 = types.keys.indexOf('l7')
  const times = block.words('time')
  const words = new Int32Array(new Uint8Array(ids).buffer)
  let oldest = Infinity
  for (let row = 0; row < block.rows; row++)
    if (types.codes[row] === l7 && !requests.has(words[row * 2], words[row * 2 + 1])) oldest = Math.min(oldest, timeAt(times, row))
  return oldest
}
