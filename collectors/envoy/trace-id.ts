import type { Span } from './reading.ts'

const dash = 45

/** What says the id of a trace; the surest counts. */
export const ranks = { tag: 1, header: 2, traceparent: 3 } as const

/** Where the trace id of an entry lies; `end` is 0 when it has none. */
export class TraceId implements Span {
  start = 0
  end = 0
  #rank = 0

  clear(): void {
    this.start = this.end = this.#rank = 0
  }

  /** Takes the one in a traceparent (W3C Trace Context), if it has one. */
  takeParent(bytes: Buffer, start: number, end: number, rank: number): void {
    if (end - start < 55 || bytes[start + 2] !== dash || bytes[start + 35] !== dash) return
    if (idEnd(bytes, start + 3, start + 35) === start + 35) this.#take(start + 3, start + 35, rank)
  }

  /** Takes the 16 or 32 hexadecimal digits with which a text begins, if it does. */
  take(bytes: Buffer, start: number, end: number, rank: number): void {
    const found = idEnd(bytes, start, end)
    if (found >= 0) this.#take(start, found, rank)
  }

  #take(start: number, end: number, rank: number): void {
    if (rank < this.#rank) return
    this.#rank = rank
    this.start = start
    this.end = end
  }
}

/** Where 16 or 32 hexadecimal digits end with which the text begins; -1 when it does not, or they are all 0. */
function idEnd(bytes: Buffer, start: number, end: number): number {
  let to = start
  let any = 0
  while (to < end && to - start < 33) {
    const digit = bytes[to]
    if (!((digit >= 48 && digit <= 57) || (digit >= 97 && digit <= 102))) break
    any |= digit ^ 48
    to++
  }
  const isWhole = to === end || bytes[to] === dash
  return any && isWhole && (to - start === 32 || to - start === 16) ? to : -1
}
