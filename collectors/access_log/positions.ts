import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { Outbox } from '../outbox.ts'

/** Kinds of records lines become. Each travels on its own. */
export const lineKinds = ['request', 'flow'] as const
export type LineKind = (typeof lineKinds)[number]

const dayMs = 86_400_000
/** How often a block says where all files are, not only those that are in it. */
const allEveryMs = 30_000

/** Bytes of a file by its key. */
type Offsets = Map<string, number>

/** What a block says of files, in the header that says where agents were. */
interface Told {
  [name: string]: Record<string, number>
  /** Lines that end no further are in this block or in one before it, as far as they become records of its kind. */
  until: Record<string, number>
  /** From here on lines have to be read again: those before are on the bus, whatever became of them. */
  from: Record<string, number>
}

/** The block of a kind that is being filled, and what it tells. */
interface Filling {
  builder?: BlockBuilder
  filling: number
  told: Told
  allAt: number
}

/**
 * How far each file was read, kept in the headers of the blocks its lines went into. A block cannot disagree with its own header, so what
 * they say after a crash is exact: no line is lost, and none is there twice.
 */
export class Positions {
  readonly #outbox: Outbox
  /** By kind, what was published before this run. */
  readonly #published: Record<LineKind, Offsets> = { request: new Map(), flow: new Map() }
  /** From where on a file has to be read again. */
  readonly #from: Offsets = new Map()
  /** Where the last line ends that was read in this run, and from where on a file would be read if all until there was on the bus. */
  readonly #until: Offsets = new Map()
  readonly #safe: Offsets = new Map()
  readonly #fillings = new Map<LineKind, Filling>()
  #confirming = false

  constructor(outbox: Outbox) {
    this.#outbox = outbox
  }

  /** Learns from the bus how far this collector was. */
  async recall(): Promise<void> {
    for (const kind of lineKinds) {
      const search = this.#outbox.published(kind, dayMs, ({ own, silent }) => {
        if (!own) return false
        merge(this.#published[kind], silent.until)
        merge(this.#from, silent.from)
        return silent.all ? 'stop' : false
      })
      // The headers are all there is to see: no block is wanted.
      for await (const _ of search) break
    }
  }

  /** From where on to read a file; undefined for one nothing is known of. */
  startOf(key: string): number | undefined {
    return this.#safe.get(key) ?? this.#from.get(key) ?? (lineKinds.some(kind => this.#published[kind].has(key)) ? 0 : undefined)
  }

  /** Whether the records of a kind of the line that ends there were published before this run. */
  isPublished(kind: LineKind, key: string, endOffset: number): boolean {
    return endOffset <= (this.#published[kind].get(key) ?? 0)
  }

  /** Whether lines up to there may have been published before this run. */
  isRepeat(key: string, offset: number): boolean {
    return lineKinds.some(kind => offset < (this.#published[kind].get(key) ?? 0))
  }

  /**
   * Notes that all lines of a file that end no further than `until` were read, and that one would have to begin at `safe` to see again what
   * is not whole yet. To be called after lines were put into blocks and before anything is awaited.
   */
  note(key: string, until: number, safe: number): void {
    this.#until.set(key, until)
    this.#safe.set(key, safe)
    for (const kind of lineKinds) {
      const builder = this.#outbox.block(kind)
      if (!builder.rows) continue
      const { told } = this.#fillingOf(kind, builder)
      this.#tell(told, kind, key)
      this.#outbox.silent(kind, told)
    }
    void this.#confirm()
  }

  #tell(told: Told, kind: LineKind, key: string): void {
    told.until[key] = Math.max(this.#until.get(key) ?? 0, this.#published[kind].get(key) ?? 0)
    const from = this.#from.get(key)
    if (from !== undefined) told.from[key] = from
  }

  #fillingOf(kind: LineKind, builder: BlockBuilder): Filling {
    const known = this.#fillings.get(kind)
    if (known && known.builder === builder && known.filling === builder.filling) return known
    const isDue = !known || Date.now() - known.allAt >= allEveryMs
    const filling: Filling = { builder, filling: builder.filling, told: { until: {}, from: {} }, allAt: isDue ? Date.now() : known.allAt }
    this.#fillings.set(kind, filling)
    if (isDue) this.#tellAll(filling.told, kind)
    return filling
  }

  #tellAll(told: Told, kind: LineKind): void {
    const keys = new Set([...this.#published[kind].keys(), ...this.#until.keys(), ...this.#from.keys()])
    for (const key of keys) this.#tell(told, kind, key)
    told.all = { files: keys.size }
  }

  /** Moves up from where files have to be read again, each time all that was read is on the bus. */
  async #confirm(): Promise<void> {
    if (this.#confirming) return
    this.#confirming = true
    try {
      const reached = [...this.#safe]
      await this.#outbox.durable()
      for (const [key, offset] of reached) this.#from.set(key, Math.max(offset, this.#from.get(key) ?? 0))
    } catch {
      // Nothing can be published any more: whoever waits for room in a block is told so.
    } finally {
      this.#confirming = false
    }
  }

  /** Forgets files that are gone. */
  forget(isThere: (key: string) => boolean): void {
    for (const offsets of [this.#until, this.#safe, this.#from, this.#published.request, this.#published.flow])
      for (const key of offsets.keys()) if (!isThere(key)) offsets.delete(key)
  }
}

function merge(into: Offsets, told: Readonly<Record<string, number>> | undefined): void {
  for (const [key, offset] of Object.entries(told ?? {})) into.set(key, Math.max(offset, into.get(key) ?? 0))
}
