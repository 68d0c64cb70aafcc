import { addressBytes, readAddress } from '../../runtime/block/address.ts'
import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { viewOf } from '../protobuf/bytes.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import { OverLimitError } from '../protobuf/limits.ts'
import type { SourceContext } from '../source.ts'
import { dnsRequest, hasDns } from './dns.ts'
import { FlowRows, type Seen } from './flow-rows.ts'
import { isIp, rowsOf } from './judge.ts'
import type { Delivery, RowName } from './replay.ts'
import { FlowRecord, Known, entriesOf, places } from './record.ts'

const mostReporters = 10_000

export interface IntakeOptions {
  /** Names the source in dead letters. */
  source: string
  cluster: string
  uplinks: readonly string[]
}

/** Writes what agents send. */
export class Intake {
  readonly #context: Pick<SourceContext, 'outbox' | 'instruments'>
  readonly #options: IntakeOptions
  readonly #known: Known
  readonly #rows = new WeakMap<BlockBuilder, FlowRows>()
  /** Addresses of agents as text, by their last word or, of IPv6, all of it. */
  readonly #reporters = new Map<string | number, string>()

  constructor(context: Pick<SourceContext, 'outbox' | 'instruments'>, options: IntakeOptions) {
    this.#context = context
    this.#options = options
    this.#known = new Known(options.uplinks)
  }

  /** Agents heard of since the start. */
  get reporters(): string[] {
    return [...this.#reporters.values()]
  }

  /** Takes a pbflow.Records. Resolves when all is in blocks; throws UndecodableError for what is none, after what could be read. */
  async takeAll(message: Buffer): Promise<void> {
    const record = new FlowRecord(this.#known)
    const view = viewOf(message)
    for (const { start, end } of entriesOf(message)) await this.#take(record, message, view, start, end)
  }

  /** Takes one pbflow.Record. What cannot be read is counted and kept; rows that `delivery` knows are left out. */
  async takeOne(message: Buffer, record = new FlowRecord(this.#known), delivery?: Delivery): Promise<void> {
    await this.#take(record, message, viewOf(message), 0, message.length, delivery)
  }

  /** For several records in a row, one after the other. */
  recordToReadInto(): FlowRecord {
    return new FlowRecord(this.#known)
  }

  /** Counts a message that is none, and keeps it. */
  refuse(reason: string, body: Uint8Array, reporter?: string): void {
    this.#context.instruments.discarded(1, 'undecodable')
    this.#context.outbox.deadLetter({ source: this.#options.source, reporter, reason, body: Buffer.from(body) })
  }

  /** `record` is of the caller alone: others take their turn while this one waits for room. */
  async #take(record: FlowRecord, bytes: Buffer, view: DataView, start: number, end: number, delivery?: Delivery): Promise<void> {
    const { instruments } = this.#context
    instruments.received(1)
    if (!this.#read(record, bytes, view, start, end)) return
    if (!isIp(record)) return instruments.discarded(1, 'unknown_kind')
    if (record.isDuplicate) return instruments.discarded(1, 'repeated')
    await this.#write(record, { reporter: this.#reporterOf(record), received: Date.now() * 1000 }, delivery)
  }

  /** Nobody else writes between the look for room and the row. */
  async #write(record: FlowRecord, seen: Seen, delivery?: Delivery): Promise<void> {
    const { outbox } = this.#context
    const { counts, drops } = rowsOf(record)
    if (counts && this.#isNew('flow', delivery)) {
      while (outbox.block('flow').full) await outbox.ready()
      this.#flows().write(record, seen)
      tell(outbox.block('flow'), delivery)
    }
    if (drops && this.#isNew('drop', delivery)) {
      while (outbox.block('flow').full) await outbox.ready()
      this.#flows().writeDrop(record, seen)
      tell(outbox.block('flow'), delivery)
    }
    if (!hasDns(record) || !this.#isNew('request', delivery)) return
    while (outbox.block('request').full) await outbox.ready()
    outbox.block('request').add(dnsRequest(record, seen, this.#options.cluster), delivery?.id)
  }

  #isNew(row: RowName, delivery: Delivery | undefined): boolean {
    if (!delivery?.select(row)) return true
    this.#context.instruments.discarded(1, 'repeated')
    return false
  }

  #read(record: FlowRecord, bytes: Buffer, view: DataView, start: number, end: number): boolean {
    try {
      record.read(bytes, view, start, end)
      return true
    } catch (error) {
      if (error instanceof OverLimitError) {
        this.#context.instruments.discarded(1, 'over_limit')
        const body = Buffer.from(bytes.subarray(start, end))
        this.#context.outbox.deadLetter({ source: this.#options.source, reason: error.message, body })
      } else if (error instanceof UndecodableError) this.refuse(error.message, bytes.subarray(start, end))
      else throw error
      return false
    }
  }

  #flows(): FlowRows {
    const builder = this.#context.outbox.block('flow')
    const known = this.#rows.get(builder)
    if (known) return known
    const rows = new FlowRows(builder, this.#options.cluster)
    this.#rows.set(builder, rows)
    return rows
  }

  #reporterOf({ addresses, words, versions }: FlowRecord): string {
    const at = places.agent * 4
    const key = versions[places.agent] === 4 ? words[at + 3] : words.subarray(at, at + 4).join()
    const known = this.#reporters.get(key)
    if (known !== undefined) return known
    if (this.#reporters.size === mostReporters) this.#reporters.clear()
    const text = readAddress(addresses, places.agent * addressBytes)
    this.#reporters.set(key, text)
    return text
  }
}

/** Notes by what the row that was just written is known. */
function tell({ ids, rows }: BlockBuilder, delivery: Delivery | undefined): void {
  if (delivery) ids.set(delivery.id, (rows - 1) * 8)
}
