import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { Outbox } from '../outbox.ts'
import { IdReader } from './ids.ts'
import type { Gap, ReportingNode } from './nodes.ts'
import type { Remembered } from './remember.ts'
import { lossReasonNames } from './vocabulary.ts'

/** A LostEvent as protobufjs gives it, times in microseconds. */
export interface LostEvents {
  source: number
  count: number
  since: number
  until: number
  time: number
}

/** Writes down what was not seen, each loss once. */
export class Losses {
  readonly #outbox: Outbox
  readonly #known: Remembered
  readonly #id = new IdReader()
  #block!: BlockBuilder

  constructor(outbox: Outbox, known: Remembered) {
    this.#outbox = outbox
    this.#known = known
    this.follow()
  }

  /** To be called after every await: the block may be another one. */
  follow(): void {
    this.#block = this.#outbox.block('loss')
  }

  /** Whether a block must be taken away first. */
  get full(): boolean {
    return this.#block.full
  }

  /** Events the agent says it lost. False when this was known. */
  lost(node: ReportingNode, { source, count, since, until, time }: LostEvents): boolean {
    const reason = lossReasonNames[source] ?? String(source)
    return this.#write([node.cluster, node.reporter, reason, time, count], {
      time,
      reporter: node.reporter,
      cluster: node.cluster,
      reason,
      count,
      known: true,
      since: since || time,
      until: until || time,
    })
  }

  /** A gap of unknown size. */
  missed(node: ReportingNode, { reason, since, detail }: Pick<Gap, 'reason' | 'since' | 'detail'>, until: number): boolean {
    return this.#write([node.cluster, node.reporter, reason, since], {
      time: until,
      reporter: node.reporter,
      cluster: node.cluster,
      reason,
      known: false,
      since,
      until,
      detail,
    })
  }

  #write(identity: readonly (string | number)[], loss: { time: number } & Record<string, unknown>): boolean {
    const text = Buffer.from(identity.join('\0'))
    this.#id.hash(text, 0, text.length)
    const { low, high } = this.#id
    if (!this.#known.add(low, high, loss.time)) return false
    const id = new Uint8Array(Int32Array.of(low, high).buffer)
    this.#block.add({ ...loss, received: Date.now() * 1000, source: 'hubble', stage: 'agent' }, id)
    return true
  }
}
