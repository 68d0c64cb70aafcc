import { Budget } from './budget.ts'
import { Exporter, type ExporterOptions, type Limits, type Protocol, Session } from './session.ts'
import type { SequenceUnit } from './sequence.ts'

export interface SessionKey {
  protocol: Protocol
  /** The exporter's address, as its agent says it or as its datagrams come from it. */
  address: string
  /** What tells its processes apart: the port, or the connection. */
  process: string | number
  domain: number
  unit: SequenceUnit
}

/** Every exporter that is known. Of too many, the one that was silent longest is forgotten. */
export class Sessions {
  readonly #limits: Limits
  readonly #fields: Budget
  readonly #options: Readonly<Record<string, ExporterOptions>>
  readonly #onForgotten: (session: Session) => void
  /** In the order in which they were last heard. */
  readonly #sessions = new Map<string, Session>()
  /** By protocol and address: numbers of domains and templates mean something within a protocol. */
  readonly #exporters = new Map<string, { exporter: Exporter; sessions: number }>()
  #lastKey = ''
  #last: Session | undefined

  constructor(limits: Limits, options: Readonly<Record<string, ExporterOptions>>, onForgotten: (session: Session) => void) {
    this.#limits = limits
    this.#fields = new Budget(limits.allFields)
    this.#options = options
    this.#onForgotten = onForgotten
  }

  *[Symbol.iterator](): Iterator<Session> {
    yield* this.#sessions.values()
  }

  get exporters(): number {
    return this.#exporters.size
  }

  get(wanted: SessionKey): Session {
    const key = `${wanted.protocol} ${wanted.address} ${wanted.process} ${wanted.domain}`
    if (key === this.#lastKey && this.#last) return this.#last
    const session = this.#sessions.get(key) ?? this.#open(wanted)
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    if (this.#sessions.size > this.#limits.exporters) this.#forgetOldest()
    this.#lastKey = key
    return (this.#last = session)
  }

  #open({ protocol, address, domain, unit }: SessionKey): Session {
    const key = `${protocol} ${address}`
    const known = this.#exporters.get(key) ?? { exporter: new Exporter(address, this.#options[address]), sessions: 0 }
    known.sessions++
    this.#exporters.set(key, known)
    return new Session({ protocol, exporter: known.exporter, domain, unit, limits: this.#limits, fields: this.#fields })
  }

  #forgetOldest(): void {
    const [[key, session]] = this.#sessions
    this.#sessions.delete(key)
    this.#onForgotten(session)
    session.close()
    const exporter = `${session.protocol} ${session.exporter.address}`
    const known = this.#exporters.get(exporter)
    if (known && --known.sessions === 0) this.#exporters.delete(exporter)
  }
}
