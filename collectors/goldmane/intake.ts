import type { Framing } from '../grpc/framing.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import { OverLimitError } from '../protobuf/limits.ts'
import type { SourceContext } from '../source.ts'
import type { Counted } from './counted.ts'
import { FlowReader, type GoldmaneFlow } from './message.ts'
import { idText } from './recall.ts'
import { countsOf, rowsOf } from './rows.ts'

/** Takes what Goldmane streams and writes what it has not told before. */
export class Intake {
  /** Flows that came since the start. */
  flows = 0
  readonly #context: Pick<SourceContext, 'outbox' | 'instruments'>
  readonly #counted: Counted
  readonly #cluster: string
  readonly #reader = new FlowReader()

  constructor(context: Pick<SourceContext, 'outbox' | 'instruments'>, counted: Counted, cluster: string) {
    this.#context = context
    this.#counted = counted
    this.#cluster = cluster
  }

  /** Takes the messages of a chunk. Resolves when there is room for more. */
  async take(framing: Pick<Framing, 'next' | 'bytes' | 'start' | 'end'>): Promise<void> {
    const received = Date.now() * 1000
    while (framing.next()) {
      const flow = this.#read(framing.bytes, framing.start, framing.end)
      if (flow) await this.#write(flow, received)
    }
  }

  #read(bytes: Buffer, start: number, end: number): GoldmaneFlow | undefined {
    const { instruments, outbox } = this.#context
    instruments.received(1)
    try {
      const flow = this.#reader.readResult(bytes, start, end)
      if (flow) this.flows++
      else instruments.discarded(1, 'unknown_kind')
      return flow
    } catch (error) {
      if (!(error instanceof UndecodableError || error instanceof OverLimitError)) throw error
      instruments.discarded(1, error instanceof OverLimitError ? 'over_limit' : 'undecodable')
      const body = Buffer.from(bytes.subarray(start, end))
      outbox.deadLetter({ source: 'goldmane', reporter: 'goldmane', reason: error.message, body })
      return undefined
    }
  }

  /** Both rows have one id: what is on the bus of them adds up to what was written. */
  async #write(flow: GoldmaneFlow, received: number): Promise<void> {
    const { instruments, outbox } = this.#context
    const { low, high } = flow.known
    const id = Int32Array.of(low ^ Math.imul(flow.start, 0x9e3779b1), high)
    const name = idText(id[0], id[1])
    const counts = countsOf(flow)
    if (!Object.values(counts).some(Boolean)) return instruments.discarded(1, 'interim')
    const grown = this.#counted.growth(name, flow.start, counts)
    if (!grown) return instruments.discarded(1, 'repeated')
    this.#counted.add(name, flow.start, grown)
    for (const row of rowsOf(flow, grown, { cluster: this.#cluster, received })) {
      while (outbox.block('flow').full) await outbox.ready()
      outbox.block('flow').add(row, new Uint8Array(id.buffer))
    }
  }
}
