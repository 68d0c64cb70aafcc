import type { Delivered } from '../../runtime/bus/bus.ts'
import type { Outbox } from '../outbox.ts'

const dayMs = 86_400_000
/** Whose partitions a collector takes over has published nothing for longer than a session, while others went on. */
const windowMs = 60_000
const mostIds = 1_000_000
/** After so many messages in a row that are new, those that come are new as well. */
const mostNew = 200_000

/** A row that a message gives. */
export type RowName = 'flow' | 'drop' | 'request'
const marks: Readonly<Record<RowName, number>> = { flow: 0, drop: 0x5bd1e995, request: 0x27d4eb2f }

/** Ids of rows that were published last, by these collectors or those that had their partitions before. */
export async function recallRows(outbox: Pick<Outbox, 'published'>, source: string): Promise<ReadonlySet<bigint>> {
  const ids = new Set<bigint>()
  for (const kind of ['flow', 'request'] as const) {
    let newest = -Infinity
    const published = outbox.published(kind, dayMs, ({ own, collector }, time) => {
      if (time < newest - windowMs || ids.size >= mostIds) return 'stop'
      const isOne = own || collector.endsWith(`/${source}`)
      if (isOne) newest = Math.max(newest, time)
      return isOne
    })
    for await (const { ids: bytes } of published) for (const id of new BigInt64Array(new Uint8Array(bytes).buffer)) if (id) ids.add(id)
  }
  return ids
}

/** The message of a partition that is being read, and which of its rows are on the bus already: after a crash the last ones come again. */
export class Delivery {
  /** Eight bytes, as `select` left them. */
  readonly id: Uint8Array
  readonly #words = new Int32Array(2)
  readonly #wide = new BigInt64Array(this.#words.buffer)
  readonly #partition: number
  #known: ReadonlySet<bigint> | undefined
  #new = 0
  #low = 0
  #high = 0

  constructor(partition: number, known: ReadonlySet<bigint>) {
    this.id = new Uint8Array(this.#words.buffer)
    this.#partition = partition
    this.#known = known
  }

  /** Goes on to a message. A topic that was made anew has other times at the same offsets. */
  begin({ offset, time }: Pick<Delivered, 'offset' | 'time'>): void {
    this.#low = offset | 0
    this.#high = Math.imul(this.#partition + 1, 0x9e3779b1) ^ Math.imul(time | 0, 0x85ebca6b) ^ Math.floor(offset / 4294967296)
    if (++this.#new > mostNew) this.#known = undefined
  }

  /** Whether a row of the message is on the bus already; `id` is the row's from now on. */
  select(row: RowName): boolean {
    this.#words[0] = this.#low
    this.#words[1] = this.#high ^ marks[row]
    if (!this.#known?.has(this.#wide[0])) return false
    this.#new = 0
    return true
  }
}
