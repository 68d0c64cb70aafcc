import { wideAt } from '../../runtime/block/block.ts'
import type { Outbox, Published } from '../outbox.ts'
import type { Counted } from './connections.ts'

/** In place of the reason a connection ended, where it has not: it is told again later. */
export const activeTimeout = 'active_timeout'

export interface Recalled {
  open: Map<string, Counted>
  tellers: Set<string>
}

const maxConnections = 100_000

/**
 * What collectors have published of connections that last, in the last `withinMs`: the sum of their rows is what was counted of them. What
 * an earlier run had not published yet is not in it, and is counted when they are told of next.
 */
export async function recallConnections(outbox: Pick<Outbox, 'published'>, withinMs: number): Promise<Recalled> {
  const recalled: Recalled = { open: new Map(), tellers: new Set() }
  const isWanted = ({ own, collector }: { own: boolean; collector: string }) => own || collector.endsWith('/envoy')
  for await (const published of outbox.published('flow', withinMs, isWanted)) {
    addBlock(published, recalled)
    if (recalled.open.size >= maxConnections) break
  }
  return recalled
}

function addBlock(published: Published, { open, tellers }: Recalled): void {
  const block = published.block()
  const reasons = block.labels('end_reason')
  const active = reasons.keys.indexOf(activeTimeout)
  if (active < 0) return
  const reporters = block.labels('reporter')
  const replies = block.labels('is_reply')
  const yes = replies.keys.indexOf('yes')
  const ids = block.texts('connection_id')
  const bytes = block.words('bytes')
  const times = block.words('time')
  for (let row = 0; row < block.rows; row++) {
    if (reasons.codes[row] !== active || !ids[row]) continue
    tellers.add(reporters.keys[reporters.codes[row]])
    const known = open.get(ids[row]) ?? { received: 0, sent: 0, until: 0 }
    const count = wideAt(bytes, row)
    if (replies.codes[row] === yes) known.sent += count
    else known.received += count
    known.until = Math.max(known.until, wideAt(times, row))
    open.set(ids[row], known)
  }
}
