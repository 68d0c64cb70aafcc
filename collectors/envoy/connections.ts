/** What Envoy counted of a connection so far. */
export interface Counted {
  received: number
  sent: number
  /** Until when it is counted, microseconds. */
  until: number
}

/** What came on since the connection was told of before. */
export interface Grown {
  received: number
  sent: number
  /** From when on, microseconds: from its beginning where nothing was counted before. */
  since: number
}

/** An entry of a connection: bytes since its beginning. Times in microseconds. */
export interface Told extends Counted {
  id: string
  reporter: string
  start: number
}

export interface ConnectionsOptions {
  /** Connections that began before may have been counted by an earlier run that is not remembered. Microseconds. */
  knownSince: number
  open?: ReadonlyMap<string, Counted>
  /** Proxies that tell of connections while they last. */
  tellers?: ReadonlySet<string>
  maxOpen?: number
  maxEnded?: number
  openForMs?: number
  endedForMs?: number
}

const maxTellers = 50_000

/**
 * Makes differences of the counters of connections, so that each byte is counted once: entries while a connection lasts have counters
 * from its beginning on, and so has the last. A connection may be told to be over twice, by its filter and by its listener.
 *
 * What began before `knownSince` and is not remembered is counted from now on only, for others may have counted what was before; unless
 * its proxy never tells of connections that last, so that nobody can have counted it.
 */
export class Connections {
  #knownSince: number
  readonly #open: Generations<Counted>
  readonly #ended: Generations<true>
  readonly #tellers: Set<string>

  constructor(options: ConnectionsOptions) {
    const { knownSince, open = new Map<string, Counted>(), tellers = new Set<string>() } = options
    const { maxOpen = 100_000, maxEnded = 50_000, openForMs = 3_600_000, endedForMs = 600_000 } = options
    this.#knownSince = knownSince
    this.#tellers = new Set(tellers)
    this.#open = new Generations(maxOpen, openForMs * 1000)
    this.#ended = new Generations(maxEnded, endedForMs * 1000)
    for (const [id, counted] of open) this.#open.set(id, counted, counted.until)
  }

  /** Of an entry while the connection lasts. Nothing when it is over already. */
  lasting(told: Told): Grown | undefined {
    if (this.#ended.get(told.id)) return undefined
    if (this.#tellers.size < maxTellers) this.#tellers.add(told.reporter)
    const before = this.#open.get(told.id)
    const grown = before || told.start >= this.#knownSince ? growth(before, told) : { received: 0, sent: 0, since: told.until }
    this.#forgetBefore(this.#open.set(told.id, { received: told.received, sent: told.sent, until: told.until }, told.until))
    return grown
  }

  /** Of the last entry of a connection. Nothing when it was told already. */
  over(told: Told): Grown | undefined {
    if (this.#ended.get(told.id)) return undefined
    const before = this.#open.get(told.id)
    const isWhole = told.start >= this.#knownSince || !this.#tellers.has(told.reporter)
    this.#ended.set(told.id, true, told.until)
    this.#open.delete(told.id)
    return before || isWhole ? growth(before, told) : { received: 0, sent: 0, since: told.until }
  }

  #forgetBefore(time: number | undefined): void {
    if (time !== undefined && time > this.#knownSince) this.#knownSince = time
  }
}

function growth(before: Counted | undefined, { received, sent, start }: Told): Grown {
  if (!before) return { received, sent, since: start }
  return { received: Math.max(0, received - before.received), sent: Math.max(0, sent - before.sent), since: before.until }
}

/** A map that forgets what was not set for one to two generations; a generation ends when it is full or old. */
class Generations<T> {
  #newer = new Map<string, T>()
  #older = new Map<string, T>()
  /** When the newer one began. */
  #began: number | undefined
  readonly #max: number
  readonly #age: number

  constructor(max: number, age: number) {
    this.#max = max
    this.#age = age
  }

  get(key: string): T | undefined {
    return this.#newer.get(key) ?? this.#older.get(key)
  }

  delete(key: string): void {
    this.#newer.delete(key)
    this.#older.delete(key)
  }

  /** `time` is now. Returns the time before which things were set that are forgotten now, if any are. */
  set(key: string, value: T, time: number): number | undefined {
    this.#began ??= time
    const forgotten = this.#newer.size >= this.#max || time - this.#began > this.#age ? this.#turn(time) : undefined
    this.#newer.set(key, value)
    return forgotten
  }

  #turn(time: number): number | undefined {
    const began = this.#began
    const isAnyLost = this.#older.size > 0
    this.#older = this.#newer
    this.#newer = new Map()
    this.#began = time
    return isAnyLost ? began : undefined
  }
}
