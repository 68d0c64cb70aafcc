import { hash } from 'node:crypto'

/** Exports that were taken lately or are being taken: a sender that got no answer sends the same bytes again. */
export class Repeats<T> {
  readonly #known = new Map<string, { at: number; outcome: Promise<T> }>()
  readonly #most: number
  readonly #ageMs: number

  constructor({ most = 100_000, ageMs = 600_000 } = {}) {
    this.#most = most
    this.#ageMs = ageMs
  }

  /** What becomes, or became, of the export with this key; undefined for a new one. */
  find(key: string): Promise<T> | undefined {
    return this.#known.get(key)?.outcome
  }

  /** Remembers an export until it is too old, or not taken after all. */
  remember(key: string, outcome: Promise<T>): void {
    const now = performance.now()
    for (const [oldest, { at }] of this.#known) {
      if (this.#known.size < this.#most && at > now - this.#ageMs) break
      this.#known.delete(oldest)
    }
    const entry = { at: now, outcome }
    this.#known.set(key, entry)
    outcome.catch(() => this.#known.get(key) === entry && this.#known.delete(key))
  }
}

/** What tells exports of a signal apart: where it is the same, so are the bytes. */
export const digestOf = (bytes: Uint8Array): string => hash('sha1', bytes, 'base64')
