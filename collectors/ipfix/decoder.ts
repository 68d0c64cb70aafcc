import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { DiscardReason, Instruments } from '../../runtime/telemetry.ts'
import type { Outbox } from '../outbox.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import { FlowRows, type Message, type RunOptions, maxRun } from './flow-rows.ts'
import { type HeldSet, HeldSets, waitsFor } from './held-sets.ts'
import { Losses } from './losses.ts'
import { type Head, readHead } from './message.ts'
import { netflow5 } from './netflow5.ts'
import { takeOptions } from './options-data.ts'
import { type Plan, RecordLayout } from './plan.ts'
import type { ExporterOptions, Limits, Session } from './session.ts'
import { Sessions } from './sessions.ts'
import { Sample, isSflow, readSflowHead } from './sflow.ts'
import { type Template, TemplateReader, TooManyFields } from './template.ts'
import { uint, uint16, uint32 } from './wire.ts'

export interface DecoderOptions {
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

/** A part of the bytes whose records a plan describes. */
interface DataSet {
  message: Message
  bytes: Uint8Array
  start: number
  end: number
}

/** An uptime that is lower by more than this is another one; by less, the datagram is late. */
const restartMs = 10_000

/**
 * Reads datagrams of NetFlow 5 and 9, IPFIX and sFlow 5, one at a time, into blocks of flows and losses. What cannot be read is counted
 * and kept as a dead letter; nothing a datagram holds makes it reject.
 */
export class Decoder {
  readonly #options: DecoderOptions
  readonly #sessions: Sessions
  readonly #held: HeldSets
  readonly #losses: Losses
  readonly #templates: TemplateReader
  readonly #layout = new RecordLayout()
  readonly #sample = new Sample()
  readonly #rows = new WeakMap<BlockBuilder, FlowRows>()
  #current: FlowRows | undefined
  #received = 0
  readonly #discarded = new Map<DiscardReason, number>()

  constructor(options: DecoderOptions) {
    this.#options = options
    this.#sessions = new Sessions(options.limits, options.exporters, session => this.#tellGaps(session, Infinity, true))
    this.#held = new HeldSets(options.hold)
    this.#losses = new Losses(options.cluster)
    this.#templates = new TemplateReader(options.limits.fields)
  }

  get losses(): Losses {
    return this.#losses
  }

  get sessions(): Iterable<Session> & { readonly exporters: number } {
    return this.#sessions
  }

  async take(datagram: Datagram): Promise<void> {
    try {
      if (isSflow(datagram.bytes)) await this.#takeSflow(datagram)
      else await this.#takeMessage(datagram)
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error
      this.#refuse(datagram, error.message)
    }
    if (this.#losses.any) await this.#losses.write(this.#options.outbox)
  }

  /** Does what time asks for: tells gaps nobody filled, gives up what waited too long, adds to the counters. `now` in milliseconds. */
  async sweep(now: number): Promise<void> {
    for (const session of this.#sessions) this.#tellGaps(session, now)
    this.#giveUp(this.#held.expire(now))
    await this.#losses.write(this.#options.outbox)
    this.count()
  }

  /** Tells all that is left. */
  async close(): Promise<void> {
    for (const session of this.#sessions) this.#tellGaps(session, Infinity, true)
    await this.sweep(Infinity)
  }

  /** Hands on what was counted. */
  count(): void {
    const { instruments } = this.#options
    if (this.#received) instruments.received(this.#received)
    this.#received = 0
    for (const [reason, count] of this.#discarded) instruments.discarded(count, reason)
    this.#discarded.clear()
  }

  #discard(count: number, reason: DiscardReason): void {
    if (count) this.#discarded.set(reason, (this.#discarded.get(reason) ?? 0) + count)
  }

  #refuse({ bytes, address }: Pick<Datagram, 'bytes' | 'address'>, reason: string): void {
    this.#received++
    this.#discard(1, 'undecodable')
    this.#options.outbox.deadLetter({ source: 'ipfix', reporter: address, reason, body: new Uint8Array(bytes) })
  }

  #giveUp(sets: readonly HeldSet[]): void {
    if (!sets.length) return
    this.#discard(sets.length, 'no_template')
    this.#received += sets.length
    const bySession = Map.groupBy(sets, ({ message }) => message.session)
    for (const [{ protocol, reporter }, { length: count }] of bySession)
      this.#losses.add({
        source: protocol,
        reporter,
        stage: 'collector',
        reason: 'no_template',
        count,
        known: false,
        detail: `${count} sets of data whose template did not come`,
      })
  }

  #tellGaps(session: Session, now: number, all = false): void {
    const isOfRecords = session.protocol !== 'sflow' && session.sequence.unit !== 'datagrams'
    for (const gap of session.sequence.gaps(now, all)) this.#losses.gap(session, gap, isOfRecords ? 'records' : 'datagrams')
    for (const { sequence } of session.sources.values())
      for (const gap of sequence.gaps(now, all)) this.#losses.gap(session, gap, 'records')
  }

  /** An exporter whose uptime goes back began anew. */
  #noteUptime(session: Session, uptime: number): void {
    if (session.uptime - uptime > restartMs) {
      session.sequence.restart()
      session.sources.clear()
      session.notSent.clear()
    }
    if (!(session.uptime > uptime && session.uptime - uptime <= restartMs)) session.uptime = uptime
  }

  // ── NetFlow and IPFIX

  async #takeMessage({ bytes, address, process, received }: Datagram): Promise<void> {
    const head = readHead(bytes)
    const protocol = head.version === 10 ? 'ipfix' : 'netflow'
    const unit = head.version === 9 ? 'datagrams' : 'records'
    const session = this.#sessions.get({ protocol, address, process: `${head.version} ${process}`, domain: head.domain, unit })
    if (head.version !== 10) this.#noteUptime(session, head.uptime)
    const message = messageOf(head, session, received)
    const count = head.version === 5 ? await this.#take5(head, message, bytes) : await this.#takeSets(head, message, bytes)
    session.sequence.take(head.sequence, count, received / 1000)
    this.#tellGaps(session, received / 1000)
  }

  async #take5({ start, end, count, sampling }: Head, message: Message, bytes: Uint8Array): Promise<number> {
    if (sampling > 1) message.session.sampling.setAll(sampling)
    await this.#takeFlows(netflow5, { message, bytes, start, end })
    return count
  }

  /** Returns how many records of data there were, undefined when nobody can tell. */
  async #takeSets(head: Head, message: Message, bytes: Uint8Array): Promise<number | undefined> {
    let count: number | undefined = 0
    for (let at = head.start; at < head.end; at += uint16(bytes, at + 2)) {
      const id = uint16(bytes, at)
      const set = { message, bytes, start: at + 4, end: at + uint16(bytes, at + 2) }
      if (id < 256) await this.#takeTemplates(id, head.version === 10, set)
      else {
        const taken = await this.#takeData(id, set)
        count = taken === undefined || count === undefined ? undefined : count + taken
      }
    }
    return count
  }

  async #takeTemplates(id: number, isIpfix: boolean, { message, bytes, start, end }: DataSet): Promise<void> {
    const options = isIpfix ? 3 : 1
    if (id !== options && id !== (isIpfix ? 2 : 0)) return this.#discard(1, 'unknown_kind')
    const reader = this.#templates
    reader.open(bytes, start, end)
    const read = (): Template => {
      if (id === options) return isIpfix ? reader.ipfixOptions() : reader.netflowOptions()
      return isIpfix ? reader.ipfix() : reader.netflow()
    }
    try {
      while (reader.more) await this.#declare(read(), message)
    } catch (error) {
      if (!(error instanceof TooManyFields)) throw error
      this.#discard(1, 'over_limit')
    }
  }

  async #declare(template: Template, { session, received }: Message): Promise<void> {
    if (template.fields.length === 0) return session.withdraw(template.id)
    if (template.id < 256 || template.fields.every(({ length }) => length === 0))
      throw new UndecodableError(`a template ${template.id} of no use`, this.#templates.at)
    if (!session.declare(template, received / 1000)) return this.#discard(1, 'over_limit')
    if (!this.#held.bytes) return
    for (const { message, bytes } of this.#held.take(waitsFor(session, template.id)))
      await this.#takeData(template.id, { message, bytes, start: 0, end: bytes.length })
  }

  async #takeData(id: number, set: DataSet): Promise<number | undefined> {
    const { message, bytes, start, end } = set
    const plan = message.session.plan(id, message.received / 1000)
    if (!plan) {
      this.#giveUp(this.#held.add({ message, id, bytes: bytes.subarray(start, end) }))
      return undefined
    }
    if (plan.template.scopes !== undefined) return this.#takeOptions(plan, set)
    if (!plan.hasAddress) return this.#skip(plan, set)
    return plan.reply || !plan.recordLength ? this.#takeOneByOne(plan, set) : this.#takeFlows(plan, set)
  }

  /** Records of one length, many at a time. */
  async #takeFlows(plan: Plan, { message, bytes, start, end }: DataSet): Promise<number> {
    const { recordLength, forward } = plan
    const count = Math.floor((end - start) / recordLength)
    for (let done = 0; done < count;) {
      const rows = this.#open() ?? (await this.#openNext())
      const run = Math.min(count - done, maxRun, rows.builder.capacity - rows.builder.rows)
      rows.begin(message, run, { cluster: this.#options.cluster, isReply: 'unknown', hasIcmp: plan.hasIcmp })
      rows.read(forward, plan, { bytes, start: start + done * recordLength, stride: recordLength, count: run })
      rows.end(run)
      done += run
    }
    this.#received += count
    return count
  }

  /** Records of variable length, and those that tell of both ways. */
  async #takeOneByOne(plan: Plan, set: DataSet): Promise<number> {
    let count = 0
    for (let at = set.start; set.end - at >= plan.minLength; count++) {
      const length = this.#find(plan, set, at)
      if (length === 0) break
      await this.#takeRecord(plan, set, at)
      at += length
    }
    this.#received += count
    return count
  }

  async #takeRecord(plan: Plan, set: DataSet, at: number): Promise<void> {
    const layout = plan.recordLength ? plan : this.#layout
    const hasReply =
      plan.reply !== undefined && plan.replyCounters.some(field => uint(set.bytes, at + layout.offsets[field], layout.lengths[field]) > 0)
    const rows = this.#open() ?? (await this.#openNext())
    const { cluster } = this.#options
    const { hasIcmp } = plan
    const record = { layout, set, at }
    this.#takeWay(rows, plan.forward, record, { cluster, hasIcmp, isReply: hasReply ? 'no' : 'unknown' })
    if (!plan.reply || !hasReply) return
    this.#takeWay(this.#open() ?? (await this.#openNext()), plan.reply, record, { cluster, hasIcmp, isReply: 'yes' })
  }

  #takeWay(
    rows: FlowRows,
    operations: Int32Array,
    { layout, set, at }: { layout: Pick<Plan, 'offsets' | 'lengths'>; set: DataSet; at: number },
    options: RunOptions,
  ): void {
    rows.begin(set.message, 1, options)
    rows.read(operations, layout, { bytes: set.bytes, start: at, stride: 0, count: 1 })
    rows.end(1)
  }

  /** The length of the record at `at`, 0 when what is left is padding. Throws UndecodableError when it ends early. */
  #find(plan: Plan, { bytes, end }: DataSet, at: number): number {
    if (plan.recordLength) return plan.recordLength
    const length = this.#layout.read(plan, bytes, at, end)
    if (length > 0) return length
    if (end - at < 4) return 0
    throw new UndecodableError('a record of variable length ends early', at)
  }

  #takeOptions(plan: Plan, set: DataSet): number {
    let count = 0
    const layout = plan.recordLength ? plan : this.#layout
    const { session } = set.message
    for (let at = set.start; set.end - at >= plan.minLength; count++) {
      const length = this.#find(plan, set, at)
      if (length === 0) break
      this.#losses.byAgent(session, 'not_sent', takeOptions(plan, layout, { bytes: set.bytes, start: at, session }))
      at += length
    }
    return count
  }

  /** Counts records that tell of no IP addresses. */
  #skip(plan: Plan, set: DataSet): number {
    let count = 0
    for (let at = set.start; set.end - at >= plan.minLength; count++) {
      const length = this.#find(plan, set, at)
      if (length === 0) break
      at += length
    }
    this.#received += count
    this.#discard(count, 'unknown_kind')
    return count
  }

  // ── sFlow

  async #takeSflow({ bytes, address, received }: Datagram): Promise<void> {
    const head = readSflowHead(bytes)
    const session = this.#sessions.get({
      protocol: 'sflow',
      address: head.agent || address,
      process: address,
      domain: head.subAgent,
      unit: 'datagrams',
    })
    this.#noteUptime(session, head.uptime)
    session.sequence.take(head.sequence, 1, received / 1000)
    const message: Message = { session, received, exported: received, uptime: NaN }
    let at = head.start
    for (let i = 0; i < head.samples; i++) {
      if (at + 8 > bytes.length) throw new UndecodableError('a datagram ends before its samples', at)
      const end = at + 8 + uint32(bytes, at + 4)
      if (end > bytes.length) throw new UndecodableError('a sample is longer than its datagram', at)
      await this.#takeSample(message, { bytes, format: uint32(bytes, at), start: at + 8, end })
      at = end
    }
    this.#tellGaps(session, received / 1000)
  }

  async #takeSample(
    message: Message,
    { bytes, format, start, end }: { bytes: Uint8Array; format: number; start: number; end: number },
  ): Promise<void> {
    const sample = this.#sample
    this.#received++
    const isFlow = sample.read(format, bytes, start, end)
    if (isFlow) this.#noteSource(message)
    if (!isFlow || !sample.hasPacket) return this.#discard(1, 'unknown_kind')
    const rows = this.#open() ?? (await this.#openNext())
    rows.sample(message, bytes, sample, this.#options.cluster)
  }

  #noteSource({ session, received }: Message): void {
    const { source: id, sequence, drops } = this.#sample
    const source = session.source(id)
    if (!source) return
    source.sequence.take(sequence, 1, received / 1000)
    if (source.drops >= 0) this.#losses.byAgent(session, 'sampler_drops', Math.max(0, drops - source.drops))
    source.drops = drops
  }

  // ── Blocks

  /** The rows that are being filled, unless their block is full. */
  #open(): FlowRows | undefined {
    const builder = this.#options.outbox.block('flow')
    if (builder.full) return undefined
    if (this.#current?.builder === builder) return this.#current
    const rows = this.#rows.get(builder) ?? new FlowRows(builder)
    this.#rows.set(builder, rows)
    return (this.#current = rows)
  }

  async #openNext(): Promise<FlowRows> {
    for (;;) {
      await this.#options.outbox.ready()
      const rows = this.#open()
      if (rows) return rows
    }
  }
}

function messageOf({ exported, uptime }: Head, session: Session, received: number): Message {
  return { session, received, exported: exported > 0 ? exported * 1000 : received, uptime }
}
