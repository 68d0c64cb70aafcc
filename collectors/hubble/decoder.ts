import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { FlowRows } from './flow-rows.ts'
import { FlowMessage, type Subject } from './message.ts'
import type { Nodes } from './nodes.ts'
import { RequestRows } from './request-rows.ts'

/** Knows which records were there before. */
export interface Memory {
  /** Records up to this time may have been forgotten. Microseconds. */
  readonly horizon: number
  /** Remembers the id, two signed words. False when it was known already. */
  add(low: number, high: number, time: number): boolean
  has(low: number, high: number): boolean
}

/**
 * Turns responses of Hubble into rows of blocks, without an object for a flow. A flow that a proxy saw gives a row of each kind.
 * A broken message writes nothing.
 */
export class Decoder {
  /** What was read last. */
  readonly message: FlowMessage
  /** Whether the flow read last was there before. */
  repeated = false
  readonly #memory: Readonly<Record<'flow' | 'request', Memory>>
  readonly #flowRows = new WeakMap<BlockBuilder, FlowRows>()
  readonly #requestRows = new WeakMap<BlockBuilder, RequestRows>()
  #flows!: FlowRows
  #requests!: RequestRows

  constructor({ nodes, memory }: { nodes: Nodes; memory: Readonly<Record<'flow' | 'request', Memory>> }) {
    this.message = new FlowMessage(nodes)
    this.#memory = memory
  }

  /** Where rows go from now on. To be said after every await. */
  writeTo(flow: BlockBuilder, request: BlockBuilder): void {
    this.#flows = rowsOf(this.#flowRows, flow, () => new FlowRows(flow, this.message))
    this.#requests = rowsOf(this.#requestRows, request, () => new RequestRows(request, this.message))
    this.#flows.follow()
    this.#requests.follow()
  }

  /** Whether a block must be taken away first. */
  get full(): boolean {
    return this.#flows.full || this.#requests.full
  }

  /** Reads one GetFlowsResponse; `received` in microseconds. Throws UndecodableError. */
  decode(bytes: Buffer, start: number, end: number, received: number): Subject {
    const { message } = this
    const subject = message.read(bytes, start, end, received)
    if (subject !== 'flow') return subject
    this.repeated = !this.#isNew(this.#memory.flow)
    if (!this.repeated) this.#flows.write(message, received)
    if (message.l7.record && this.#isNew(this.#memory.request)) this.#requests.write(message, received)
    return subject
  }

  /** What is older than memory reaches was there before when its node has been heard since. */
  #isNew(memory: Memory): boolean {
    const { id, time, node } = this.message
    if (time <= memory.horizon && time <= node.last) return false
    if (this.message.isUntimed && memory.has(id.low, id.high)) return false
    return memory.add(id.low, id.high, time)
  }
}

function rowsOf<R>(known: WeakMap<BlockBuilder, R>, builder: BlockBuilder, create: () => R): R {
  const rows = known.get(builder) ?? create()
  known.set(builder, rows)
  return rows
}
