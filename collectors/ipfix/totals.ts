import type { Message } from './run.ts'

/** Counters of a record: bytes and packets of the way there, and of the way back. */
export const counters = ['bytes', 'packets', 'replyBytes', 'replyPackets'] as const
export type Counter = (typeof counters)[number]

/** What a record counted since its flow began; undefined for a counter that is not one of those. */
export type Counted = Readonly<Record<Counter, number | undefined>>
export type Growth = Record<Counter, number>

interface Flow {
  scope: Scope
  /** Microseconds by the exporter's clock; 0 when it does not say. */
  start: number
  exported: number
  /** When it was heard last, by our clock. */
  received: number
  isOver: boolean
  counted: Growth
}

/** Of one observation domain: flows that began before `since` may have been counted before, though nobody remembers. */
interface Scope {
  since: number
}

export interface TotalsOptions {
  /** Since when every record is heard, in microseconds. */
  since: number
  mostFlows?: number
  idleMs?: number
}

/** A start that is made of an uptime, or of seconds, is not the same to the microsecond each time. */
const sameStartMicros = 1e6
const mostScopes = 1 << 13

/**
 * What flows were counted by already, of exporters that send totals since a flow began (octetTotalCount, RFC 5102 §5.10) each time they
 * tell of it. Knows so many flows, those that were heard last.
 */
export class Totals {
  #since: number
  readonly #mostFlows: number
  readonly #idleMicros: number
  readonly #scopes = new Map<string, Scope>()
  /** In the order in which they were last heard. */
  readonly #flows = new Map<string, Flow>()

  constructor({ since, mostFlows = 1 << 17, idleMs = 7_200_000 }: TotalsOptions) {
    this.#since = since
    this.#mostFlows = mostFlows
    this.#idleMicros = idleMs * 1000
  }

  /**
   * By how much a flow has grown since it was last told of. Undefined when it began before anybody listened, or at a time it does not
   * say: from now on it is known. `start` in microseconds, 0 when the record has none.
   */
  grow(
    key: string,
    counted: Counted,
    { message, start, isOver }: { message: Message; start: number; isOver: boolean },
  ): Growth | undefined {
    const { exported, received, session } = message
    const scopeKey = `${session.protocol} ${session.exporter.address} ${session.domain}`
    const flowKey = `${scopeKey} ${key}`
    const known = this.#flows.get(flowKey)
    const isSame = known !== undefined && Math.abs(start - known.start) <= sameStartMicros
    if (known && !isSame && start < known.start) return none()
    const scope = known?.scope ?? this.#scope(scopeKey, received)
    this.#flows.delete(flowKey)
    this.#forget(received)
    const base = isSame ? known.counted : none()
    const mayBeginAnew = isSame && start === 0 && exported > known.exported
    const reached = mayBeginAnew ? total(counted) : larger(base, counted)
    this.#flows.set(flowKey, { scope, start, exported, received, isOver, counted: reached })
    if (isSame) return difference(reached, base)
    return start > 0 && start - exported + received >= scope.since ? reached : undefined
  }

  #scope(key: string, now: number): Scope {
    const known = this.#scopes.get(key)
    if (known) return known
    if (this.#scopes.size >= mostScopes) {
      this.#scopes.clear()
      this.#since = now
    }
    const scope = { since: this.#since }
    this.#scopes.set(key, scope)
    return scope
  }

  /** Those not heard for long, and the oldest when there are too many. */
  #forget(now: number): void {
    for (const [key, { scope, start, exported, received, isOver }] of this.#flows) {
      if (this.#flows.size < this.#mostFlows && received > now - this.#idleMicros) return
      this.#flows.delete(key)
      if (!isOver) scope.since = Math.max(scope.since, start - exported + received + sameStartMicros)
    }
  }
}

const none = (): Growth => ({ bytes: 0, packets: 0, replyBytes: 0, replyPackets: 0 })

function each(of: (counter: Counter) => number): Growth {
  return { bytes: of('bytes'), packets: of('packets'), replyBytes: of('replyBytes'), replyPackets: of('replyPackets') }
}

const total = (counted: Counted) => each(counter => counted[counter] ?? 0)
const larger = (base: Growth, counted: Counted) => each(counter => Math.max(base[counter], counted[counter] ?? 0))
/** What counts less than before has begun anew. */
const difference = (reached: Growth, base: Growth) =>
  each(counter => (reached[counter] < base[counter] ? reached[counter] : reached[counter] - base[counter]))
