import { meter } from '../../runtime/telemetry.ts'
import type { ToldName } from '../../schema/name.ts'

/** A name, and while it was a name of an address: microseconds. */
interface Answer {
  name: string
  from: number
  to: number
  /** Up to when others know it. */
  told: number
}

export interface NameTableOptions {
  /** Pairs of a client and an address that are kept; the ones not heard of for longest go first. */
  max?: number
  /** For how long an answer holds at least: connections outlive what is short-lived. */
  minSeconds?: number
  /** Told of each pair that made room. */
  onEvicted?: () => void
}

const mostAnswers = 4
/** How much earlier than its answer a record may be: clocks differ. */
const slack = 1_000_000

/** Which names clients had got addresses for, in time. */
export class NameTable {
  readonly #answers = new Map<string, Answer[]>()
  readonly #max: number
  readonly #leastMicros: number
  readonly #onEvicted: () => void
  #tell: (name: ToldName) => void = () => {}

  constructor({ max = 100_000, minSeconds = 300, onEvicted = () => {} }: NameTableOptions = {}) {
    this.#max = max
    this.#leastMicros = minSeconds * 1e6
    this.#onEvicted = onEvicted
  }

  /** How many pairs of a client and an address are known. */
  get size(): number {
    return this.#answers.size
  }

  /** The client was told at that time (microseconds) that the name has the address, for so many seconds. */
  learn(client: string, address: string, { name, time, ttl }: { name: string; time: number; ttl: number }): void {
    const to = time + Math.max(ttl * 1e6, this.#leastMicros)
    const answer = this.#remember(client, address, { name, from: time, to, told: -Infinity })
    // One that comes again and again is not worth telling each time.
    if (answer.to <= answer.told + this.#leastMicros / 4) return
    answer.told = answer.to
    this.#tell({ client, address, name, from: answer.from, to: answer.to })
  }

  /** Takes what another table learnt. */
  hear({ client, address, name, from, to }: ToldName): void {
    this.#remember(client, address, { name, from, to, told: to })
  }

  /** From now on `tell` is told what others do not know of what is learnt. */
  tellTo(tell: (name: ToldName) => void): void {
    this.#tell = tell
  }

  /** Returns what it is known as now. */
  #remember(client: string, address: string, answer: Answer): Answer {
    const key = keyOf(client, address)
    const { answers, merged } = remembered(this.#answers.get(key) ?? [], answer)
    this.#answers.delete(key)
    this.#answers.set(key, answers)
    if (this.#answers.size > this.#max) {
      this.#answers.delete(this.#answers.keys().next().value!)
      this.#onEvicted()
    }
    return merged
  }

  /** Answers about the address that the client got, for `nameAt`. */
  answers(client: string, address: string): readonly Answer[] | undefined {
    return this.#answers.get(keyOf(client, address))
  }
}

/** A table whose size, and what was left out of it, stands in the metrics. */
export function openNames({ max_names: max, min_seconds: minSeconds }: { max_names?: number; min_seconds?: number } = {}): NameTable {
  const evicted = meter().createCounter('weir.enricher.names.evicted', {
    description: 'Names of addresses that made room for newer ones.',
    unit: '{name}',
  })
  const names = new NameTable({ max, minSeconds, onEvicted: () => evicted.add(1) })
  meter()
    .createObservableGauge('weir.enricher.names', { description: 'Names of addresses known from answers of DNS.', unit: '{name}' })
    .addCallback(result => result.observe(names.size))
  return names
}

/** The name by the newest answer that held at that time, or ''. */
export function nameAt(answers: readonly Answer[] | undefined, time: number): string {
  if (!answers) return ''
  let newest: Answer | undefined
  for (const answer of answers)
    if (time >= answer.from - slack && time < answer.to && !(newest && newest.from > answer.from)) newest = answer
  return newest?.name ?? ''
}

const keyOf = (client: string, address: string) => `${client} ${address}`

/** An answer that comes again while it holds is one; of many the oldest are forgotten. */
function remembered(known: readonly Answer[], answer: Answer): { answers: Answer[]; merged: Answer } {
  const same = known.find(({ name, from, to }) => name === answer.name && answer.from <= to && answer.to >= from)
  const others = known.filter(each => each !== same)
  const merged = same ? bothOf(same, answer) : answer
  return { answers: [...others, merged].sort((a, b) => a.from - b.from).slice(-mostAnswers), merged }
}

const bothOf = (one: Answer, other: Answer): Answer => ({
  name: one.name,
  from: Math.min(one.from, other.from),
  to: Math.max(one.to, other.to),
  told: Math.max(one.told, other.told),
})
