import { createHash } from 'node:crypto'

/** A note must fit beside a plan into the metadata of a position. */
const mostNoteBytes = 3_000

/**
 * Recognises blocks that are on a partition twice because a collector did not learn that the first had arrived: it numbers its blocks,
 * and sends the next only after the one before. What is remembered goes with the position, so that a consumer that takes over, or
 * repeats a batch, decides alike.
 */
export class Repeats {
  /** The last block of each run of a collector, those heard of last at the end. */
  readonly #last = new Map<string, number>()

  constructor(note = '') {
    for (const entry of note.split(' ')) {
      const [run, sequence] = entry.split(':')
      if (sequence !== undefined) this.#last.set(run, parseInt(sequence, 36))
    }
  }

  /** Whether the block came before; remembers it otherwise. Blocks without a number are none. */
  has({ collector, run, sequence }: Readonly<Record<string, string>>): boolean {
    const number = Number(sequence)
    if (!collector || !run || !sequence || !Number.isSafeInteger(number)) return false
    const name = createHash('sha256').update(`${run} ${collector}`).digest('base64url').slice(0, 12)
    const last = this.#last.get(name)
    if (last !== undefined && number <= last) return true
    this.#last.delete(name)
    this.#last.set(name, number)
    return false
  }

  /** As much of it as fits, the newest first to be kept. */
  note(): string {
    const entries: string[] = []
    let bytes = 0
    for (const [run, sequence] of [...this.#last].reverse()) {
      const entry = `${run}:${sequence.toString(36)}`
      if ((bytes += entry.length + 1) > mostNoteBytes) break
      entries.push(entry)
    }
    return entries.reverse().join(' ')
  }
}
