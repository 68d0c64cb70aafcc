import type { Message } from './run.ts'
import type { Session } from './session.ts'

/** Data whose template has not come. */
export interface HeldSet {
  message: Message
  id: number
  bytes: Uint8Array
}

/** What keeping a set costs besides its bytes. */
const overheadBytes = 256
const sizeOf = ({ bytes }: HeldSet) => bytes.length + overheadBytes

/** Other processes of the same exporter and domain may bring the template. */
const keyOf = ({ protocol, exporter, domain }: Session, id: number) => `${protocol} ${exporter.address} ${domain} ${id}`

/** Keeps data until its template comes: so many bytes of all exporters together, and each set so long. */
export class HeldSets {
  readonly #maxBytes: number
  readonly #maxMs: number
  /** In the order they came. */
  readonly #sets = new Set<HeldSet>()
  readonly #byTemplate = new Map<string, Set<HeldSet>>()
  #bytes = 0

  constructor({ maxBytes, maxMs }: { maxBytes: number; maxMs: number }) {
    this.#maxBytes = maxBytes
    this.#maxMs = maxMs
  }

  /** Keeps a copy; returns the oldest that had to go for it, or the set itself when it is too large. */
  add(set: HeldSet): HeldSet[] {
    if (sizeOf(set) > this.#maxBytes) return [set]
    const kept = { ...set, bytes: new Uint8Array(set.bytes) }
    const key = keyOf(set.message.session, set.id)
    const others = this.#byTemplate.get(key) ?? new Set()
    this.#byTemplate.set(key, others.add(kept))
    this.#sets.add(kept)
    this.#bytes += sizeOf(kept)
    return this.#removeWhile(() => this.#bytes > this.#maxBytes)
  }

  /** Takes out what waits for this template of this session, or of another process of its exporter and domain. */
  take(session: Session, id: number): HeldSet[] {
    if (!this.#sets.size) return []
    const found = [...(this.#byTemplate.get(keyOf(session, id)) ?? [])]
    for (const set of found) this.#remove(set)
    return found
  }

  /** Takes out what has waited too long; all of it at the end. `now` in milliseconds. */
  expire(now: number): HeldSet[] {
    return this.#removeWhile(({ message }) => now - message.received / 1000 > this.#maxMs)
  }

  #removeWhile(isGone: (set: HeldSet) => boolean): HeldSet[] {
    const gone: HeldSet[] = []
    for (const set of this.#sets) {
      if (!isGone(set)) break
      this.#remove(set)
      gone.push(set)
    }
    return gone
  }

  #remove(set: HeldSet): void {
    this.#sets.delete(set)
    this.#bytes -= sizeOf(set)
    const key = keyOf(set.message.session, set.id)
    const others = this.#byTemplate.get(key)
    others?.delete(set)
    if (!others?.size) this.#byTemplate.delete(key)
  }
}
