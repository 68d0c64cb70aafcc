import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { Outbox } from '../outbox.ts'
import { FlowRows } from './flow-rows.ts'

/** The rows of the block of flows that is being filled. */
export class Blocks {
  readonly #outbox: Outbox
  readonly #rows = new WeakMap<BlockBuilder, FlowRows>()
  #current: FlowRows | undefined

  constructor(outbox: Outbox) {
    this.#outbox = outbox
  }

  /** Rows with room for one at least; undefined when the block is full, and `next` is to be awaited. */
  open(): FlowRows | undefined {
    const builder = this.#outbox.block('flow')
    if (builder.full) return undefined
    if (this.#current?.builder === builder) return this.#current
    const rows = this.#rows.get(builder) ?? new FlowRows(builder)
    this.#rows.set(builder, rows)
    return (this.#current = rows)
  }

  async next(): Promise<FlowRows> {
    for (;;) {
      await this.#outbox.ready()
      const rows = this.open()
      if (rows) return rows
    }
  }
}
