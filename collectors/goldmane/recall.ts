import { type Block, wideAt } from '../../runtime/block/block.ts'
import type { Outbox } from '../outbox.ts'
import { type Counted, nothing } from './counted.ts'

const dayMs = 86_400_000
/** Goldmane keeps an hour. */
const historyMicros = 3_700e6

/** Learns from the bus what this collector has written of each interval lately. */
export async function recall(outbox: Pick<Outbox, 'published'>, counted: Counted, capacity: number): Promise<void> {
  let newest = -Infinity
  let records = 0
  for await (const published of outbox.published('flow', dayMs)) {
    newest = Math.max(newest, published.maxTime)
    if (published.maxTime < newest - historyMicros) return
    records += published.ids.length / 8
    if (records > capacity) {
      counted.horizon = Math.max(counted.horizon, published.maxTime / 1e6)
      return
    }
    load(published.block(), published.ids, counted)
  }
}

function load(block: Block, bytes: Uint8Array, counted: Counted): void {
  const ids = new Int32Array(new Uint8Array(bytes).buffer)
  const isReply = block.labels('is_reply')
  const yes = isReply.keys.indexOf('yes')
  const [times, packets, octets] = [block.words('time'), block.words('packets'), block.words('bytes')]
  const connections = block.numbers('connections')
  for (let row = 0; row < block.rows; row++) {
    const isAnswer = yes >= 0 && isReply.codes[row] === yes
    const [count, size] = [wideAt(packets, row), wideAt(octets, row)]
    const written = isAnswer
      ? { ...nothing, replyPackets: count, replyBytes: size }
      : { ...nothing, forwardPackets: count, forwardBytes: size, connections: connections[row] }
    counted.add(idText(ids[row * 2], ids[row * 2 + 1]), wideAt(times, row) / 1e6, written)
  }
}

/** What an interval of a key is called in memory. */
export const idText = (low: number, high: number) => `${low} ${high}`
