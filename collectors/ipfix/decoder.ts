import type { Instruments } from '../../runtime/telemetry.ts'
import type { Outbox } from '../outbox.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import { Blocks } from './blocks.ts'
import { Counts } from './counts.ts'
import { type HeldSet, HeldSets } from './held-sets.ts'
import { Losses } from './losses.ts'
import { type Head, readHead } from './message.ts'
import { netflow5 } from './netflow5.ts'
import { Records } from './records.ts'
import type { Message } from './run.ts'
import { Samples } from './samples.ts'
import type { ExporterOptions, Limits, Session } from './session.ts'
import { Sessions } from './sessions.ts'
import { Sets } from './sets.ts'
import { Totals } from './totals.ts'
import { isSflow, readSflowHead } from './sflow-head.ts'

export interface DecoderOptions {
  /** Since when everything is heard, in microseconds: what flows that began before count since their beginning was counted by then, or was not. */
  since: number
  outbox: Outbox
  instruments: Instruments
  cluster: string
  exporters: Readonly<Record<string, ExporterOptions>>
  limits: Limits
  hold: { maxBytes: number; maxMs: number }
}

/** One datagram, or one message of a connection. */
export interface Datagram {
  bytes: Uint8Array
  /** Who sent it, and what tells its processes apart. */
  address: string
  process: string | number
  /** Microseconds. */
  received: number
}

/**
 * Reads datagrams of NetFlow 5 and 9, IPFIX and sFlow 5, one at a time, into blocks of flows and losses. What cannot be read is counted
 * and kept as a dead letter; nothing a datagram holds makes it reject.
 */
export class Decoder {
  readonly losses: Losses
  readonly #options: DecoderOptions
  readonly #sessions: Sessions
  readonly #held: HeldSets
  readonly #counts = new Counts()
  readonly #records: Records
  readonly #sets: Sets
  readonly #samples: Samples

  constructor(options: DecoderOptions) {
    const { since, outbox, cluster, exporters, limits, hold } = options
    this.#options = options
    this.losses = new Losses(cluster)
    this.#sessions = new Sessions(limits, exporters, session => this.#tellGaps(session, Infinity, true))
    this.#held = new HeldSets(hold)
    const shared = { blocks: new Blocks(outbox), totals: new Totals({ since }), counts: this.#counts, losses: this.losses, cluster }
    this.#records = new Records(shared)
    this.#samples = new Samples(shared)
    const giveUp = (sets: readonly HeldSet[]) => this.#giveUp(sets)
    this.#sets = new Sets({ records: this.#records, held: this.#held, counts: this.#counts, maxFields: limits.fields, giveUp })
  }

  /** How many exporters are known. */
  get exporters(): number {
    return this.#sessions.exporters
  }

  async take(datagram: Datagram): Promise<void> {
    try {
      if (isSflow(datagram.bytes)) await this.#takeSflow(datagram)
      else await this.#takeMessage(datagram)
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error
      this.#refuse(datagram, error.message)
    }
    if (this.losses.any) await this.losses.write(this.#options.outbox)
  }

  /** Does what time asks for: tells gaps nobody filled, gives up what waited too long. `now` in milliseconds. */
  async sweep(now: number): Promise<void> {
    for (const session of this.#sessions) this.#tellGaps(session, now)
    this.#giveUp(this.#held.expire(now))
    await this.losses.write(this.#options.outbox)
    this.count()
  }

  /** Tells all that is left. */
  async close(): Promise<void> {
    for (const session of this.#sessions) this.#tellGaps(session, Infinity, true)
    await this.sweep(Infinity)
  }

  /** Hands on what was counted. */
  count(): void {
    this.#counts.tell(this.#options.instruments)
  }

  async #takeMessage({ bytes, address, process, received }: Datagram): Promise<void> {
    const head = readHead(bytes)
    const { version, domain, uptime, exported } = head
    const protocol = version === 10 ? 'ipfix' : 'netflow'
    const unit = version === 9 ? 'datagrams' : 'records'
    const session = this.#sessions.get({ protocol, address, process: `${version} ${process}`, domain, unit })
    if (version !== 10) session.noteUptime(uptime)
    const message = { session, received, uptime, exported: exported > 0 ? exported * 1000 : received }
    const count = version === 5 ? await this.#take5(head, message, bytes) : await this.#sets.take(head, message, bytes)
    session.sequence.take(head.sequence, count, received / 1000)
    this.#tellGaps(session, received / 1000)
  }

  #take5({ start, end, sampling }: Head, message: Message, bytes: Uint8Array): Promise<number> {
    if (sampling > 1) message.session.sampling.setAll(sampling)
    return this.#records.take(netflow5, { message, bytes, start, end })
  }

  async #takeSflow({ bytes, address, received }: Datagram): Promise<void> {
    const head = readSflowHead(bytes)
    const agent = { protocol: 'sflow', address: head.agent || address, process: address, domain: head.subAgent, unit: 'datagrams' } as const
    const session = this.#sessions.get(agent)
    session.noteUptime(head.uptime)
    session.sequence.take(head.sequence, 1, received / 1000)
    // The agent has no clock that it tells of.
    await this.#samples.take(head, { session, received, exported: received, uptime: NaN }, bytes)
    this.#tellGaps(session, received / 1000)
  }

  #refuse({ bytes, address }: Pick<Datagram, 'bytes' | 'address'>, reason: string): void {
    this.#counts.receive(1)
    this.#counts.discard(1, 'undecodable')
    this.#options.outbox.deadLetter({ source: 'flow_export', reporter: address, reason, body: new Uint8Array(bytes) })
  }

  #giveUp(sets: readonly HeldSet[]): void {
    if (!sets.length) return
    this.#counts.receive(sets.length)
    this.#counts.discard(sets.length, 'no_template')
    const bySession = Map.groupBy(sets, ({ message }) => message.session)
    for (const [session, { length }] of bySession) this.losses.withoutTemplate(session, length)
  }

  #tellGaps(session: Session, now: number, all = false): void {
    const { sequence, sources, protocol } = session
    const unit = protocol === 'sflow' || sequence.unit === 'datagrams' ? 'datagrams' : 'records'
    for (const gap of sequence.gaps(now, all)) this.losses.gap(session, gap, unit)
    for (const source of sources.values()) for (const gap of source.sequence.gaps(now, all)) this.losses.gap(session, gap, 'records')
  }
}
