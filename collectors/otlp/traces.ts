import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import type { SourceContext } from '../source.ts'
import { flowRecords, isFlowSpan } from './flow-spans.ts'
import { groupsOf, scopeName } from './groups.ts'
import { type Outcome, type Taker, reject } from './taker.ts'
import type { Limits } from './options.ts'
import type { Resource } from './resource.ts'
import { Resources } from './resources.ts'
import { InvalidSpanError, SpanMessage } from './span.ts'
import { SpanRows } from './span-rows.ts'

/** Bytes of spans in a block at the most; a block of usual spans is full before. */
const blockBytes = 32 << 20

export interface TraceOptions {
  limits: Limits
  /** Cluster of the senders that name none. */
  cluster: string
  /** What the records say of where they are from. */
  source: string
}

/** Writes the spans of exports (ExportTraceServiceRequest). */
export class TraceTaker implements Taker {
  readonly #context: SourceContext
  readonly #options: TraceOptions
  readonly #span: SpanMessage
  readonly #resources: Resources
  readonly #rows = new WeakMap<BlockBuilder, SpanRows>()

  constructor(options: TraceOptions, context: SourceContext) {
    this.#context = context
    this.#options = options
    this.#span = new SpanMessage(options.limits)
    this.#resources = new Resources(options)
  }

  async take(bytes: Buffer, peer: string): Promise<Outcome> {
    const outcome: Outcome = { rejected: 0, message: '' }
    const received = Date.now() * 1000
    const groups = groupsOf(bytes).map(group => ({ group, resource: this.#resources.read(bytes, group), scope: scopeName(bytes, group) }))
    this.#span.open(bytes)
    let discarded = 0
    for (const { group, resource, scope } of groups) {
      const { items } = group
      this.#context.instruments.received(items.length / 2, { kind: 'span' })
      for (let i = 0; i < items.length; i += 2) {
        const rows = this.#current() ?? (await this.#room())
        if (!this.#read(items[i], items[i + 1], rows, { outcome, peer })) continue
        discarded += this.#span.discarded
        if (isFlowSpan(this.#span.facts)) await this.#takeFlow(items[i], items[i + 1], resource, received)
        else rows.write(this.#span, resource, scope, received)
      }
    }
    this.#context.instruments.discarded(discarded, 'over_limit', { kind: 'attribute' })
    this.#span.open(Buffer.alloc(0))
    return outcome
  }

  /** The rows that are being filled, unless they are full. */
  #current(): SpanRows | undefined {
    const rows = this.#rowsOf(this.#context.outbox.block('span'))
    return rows.builder.full || rows.bytes > blockBytes ? undefined : rows
  }

  async #room(): Promise<SpanRows> {
    const { outbox } = this.#context
    if (outbox.block('span').full) await outbox.ready()
    else await outbox.flush()
    return this.#rowsOf(outbox.block('span'))
  }

  #rowsOf(builder: BlockBuilder): SpanRows {
    const known = this.#rows.get(builder)
    if (known) return known
    const rows = new SpanRows(builder, this.#options)
    this.#rows.set(builder, rows)
    return rows
  }

  /** False when the span is rejected: nothing is written of it then. */
  #read(start: number, end: number, rows: SpanRows, { outcome, peer }: { outcome: Outcome; peer: string }): boolean {
    try {
      this.#span.read(start, end, rows.begin(end - start))
      return true
    } catch (error) {
      if (!(error instanceof UndecodableError || error instanceof InvalidSpanError)) throw error
      reject(this.#context, {
        outcome,
        peer,
        source: this.#options.source,
        reason: error.message,
        body: this.#span.bytes.subarray(start, end),
      })
      return false
    }
  }

  async #takeFlow(start: number, end: number, resource: Resource, received: number): Promise<void> {
    const { outbox } = this.#context
    for (const record of flowRecords(this.#span, { start, end, resource, received, options: this.#options })) {
      if (outbox.block('flow').full) await outbox.ready()
      outbox.block('flow').add(record)
    }
  }
}
