import { UndecodableError } from '../protobuf/cursor.ts'
import type { RecordsOptions } from './records.ts'
import type { Message } from './run.ts'
import { Sample } from './sample.ts'
import type { SflowHead } from './sflow-head.ts'
import { uint32 } from './wire.ts'

/** Reads the samples of an sFlow datagram. */
export class Samples {
  readonly #options: RecordsOptions
  readonly #sample = new Sample()

  constructor(options: RecordsOptions) {
    this.#options = options
  }

  /** Rejects with UndecodableError when there are fewer than the head says, or one ends early. */
  async take({ samples, start }: SflowHead, message: Message, bytes: Uint8Array): Promise<void> {
    let at = start
    for (let i = 0; i < samples; i++) {
      if (at + 8 > bytes.length) throw new UndecodableError('a datagram ends before its samples', at)
      const end = at + 8 + uint32(bytes, at + 4)
      if (end > bytes.length) throw new UndecodableError('a sample is longer than its datagram', at)
      this.#options.counts.receive(1)
      if (this.#sample.read(uint32(bytes, at), bytes, at + 8, end)) await this.#takeFlow(message, bytes)
      else this.#options.counts.discard(1, 'unknown_kind')
      at = end
    }
  }

  async #takeFlow(message: Message, bytes: Uint8Array): Promise<void> {
    const { blocks, counts, cluster } = this.#options
    const sample = this.#sample
    this.#noteSource(message)
    if (!sample.hasPacket) return counts.discard(1, 'unknown_kind')
    const rows = blocks.open() ?? (await blocks.next())
    rows.sample(message, bytes, { sample, cluster })
  }

  /** The data source's own sequence says which samples never came, its counter which packets it could not sample. */
  #noteSource({ session, received }: Message): void {
    const { source: id, sequence, drops } = this.#sample
    const source = session.source(id)
    if (!source) return
    source.sequence.take(sequence, 1, received / 1000)
    if (source.drops >= 0) this.#options.losses.byAgent(session, 'sampler_drops', Math.max(0, drops - source.drops))
    source.drops = drops
  }
}
