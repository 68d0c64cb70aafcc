import { createHash } from 'node:crypto'
import type { Framing } from '../grpc/framing.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import { OverLimitError } from '../protobuf/limits.ts'
import type { SourceContext } from '../source.ts'
import type { Counted } from './counted.ts'
import { type Counts, FlowReader, type GoldmaneFlow } from './message.ts'
import { idText } from './recall.ts'
import { countsOf, rowsOf } from './rows.ts'

export interface IntakeOptions {
  source: string
  cluster: string
  counted: Counted
}

/** Takes flows of Calico and writes what was not told before. */
export class Intake {
  /** Flows that came since the start. */
  flows = 0
  readonly #context: Pick<SourceContext, 'outbox' | 'instruments'>
  readonly #options: IntakeOptions
  readonly #reader = new FlowReader()

  constructor(context: Pick<SourceContext, 'outbox' | 'instruments'>, options: IntakeOptions) {
    this.#context = context
    this.#options = options
  }

  /** Takes the FlowResults of a chunk. Resolves when there is room for more. */
  async take(framing: Pick<Framing, 'next' | 'bytes' | 'start' | 'end'>): Promise<void> {
    const received = Date.now() * 1000
    while (framing.next()) {
      const { bytes, start, end } = framing
      const flow = this.#read(bytes.subarray(start, end), 'goldmane', () => this.#reader.readResult(bytes, start, end))
      if (flow) await this.#write(flow, { reporter: 'goldmane', received, id: idOf(flow) })
    }
  }

  /** Takes a FlowUpdate of a node: it is sent again as it was, or not at all. */
  async takeUpdate(message: Buffer, reporter: string): Promise<void> {
    const flow = this.#read(message, reporter, () => this.#reader.readUpdate(message, 0, message.length))
    if (flow) await this.#write(flow, { reporter, received: Date.now() * 1000, id: idOf(flow, reporter) })
  }

  #read(message: Buffer, reporter: string, read: () => GoldmaneFlow | undefined): GoldmaneFlow | undefined {
    const { instruments, outbox } = this.#context
    instruments.received(1)
    try {
      const flow = read()
      if (flow) this.flows++
      else instruments.discarded(1, 'unknown_kind')
      return flow
    } catch (error) {
      if (!(error instanceof UndecodableError || error instanceof OverLimitError)) throw error
      instruments.discarded(1, error instanceof OverLimitError ? 'over_limit' : 'undecodable')
      outbox.deadLetter({ source: this.#options.source, reporter, reason: error.message, body: Buffer.from(message) })
      return undefined
    }
  }

  /** Both rows have one id: what is on the bus of them adds up to what was written. */
  async #write(flow: GoldmaneFlow, { reporter, received, id }: { reporter: string; received: number; id: Int32Array }): Promise<void> {
    const { instruments, outbox } = this.#context
    const { source, cluster, counted } = this.#options
    const name = idText(id[0], id[1])
    const counts = countsOf(flow)
    if (!Object.values(counts).some(Boolean)) return instruments.discarded(1, 'interim')
    const grown = counted.growth(name, flow.start, counts)
    if (!grown) return instruments.discarded(1, 'repeated')
    counted.add(name, flow.start, grown)
    for (const row of rowsOf(flow, grown, { source, reporter, cluster, received })) {
      while (outbox.block('flow').full) await outbox.ready()
      outbox.block('flow').add(row, new Uint8Array(id.buffer))
    }
  }
}

/**
 * What a flow of an interval is known by. Of a node also what was counted: several nodes may have one address on the way here, and none
 * tells an interval twice with other numbers.
 */
function idOf(flow: GoldmaneFlow, reporter?: string): Int32Array {
  const { low, high } = flow.known
  const id = Int32Array.of(low ^ Math.imul(flow.start, 0x9e3779b1), high)
  if (reporter === undefined) return id
  const counts: Counts = countsOf(flow)
  const digest = createHash('sha256')
    .update(JSON.stringify([reporter, counts]))
    .digest()
  id[0] ^= digest.readInt32LE(0)
  id[1] ^= digest.readInt32LE(4)
  return id
}
