import type { DeadLetter, Outbox } from '../../../collectors/outbox.ts'
import { Decoder, type DecoderOptions } from '../../../collectors/ipfix/decoder.ts'
import { Block } from '../../../runtime/block/block.ts'
import { BlockBuilder } from '../../../runtime/block/builder.ts'
import { type KindName, kinds } from '../../../schema/record.ts'

export type Row = Record<string, unknown>

/** When the datagrams of tests come, in microseconds. */
export const received = 1_700_000_000_000_000

const limits = { exporters: 64, templates: 256, fields: 256, allFields: 10_000, templateSeconds: 86_400 }
const hold = { maxBytes: 1 << 20, maxMs: 60_000 }

/** A decoder whose records are kept as objects. */
export function openDecoder(options: Partial<DecoderOptions> = {}, capacity = 64) {
  const builders = new Map<KindName, BlockBuilder>()
  const records = new Map<KindName, Row[]>()
  const deadLetters: DeadLetter[] = []
  const discarded: Record<string, number> = {}
  const counted = { received: 0 }
  const block = (kind: KindName) => {
    const known = builders.get(kind) ?? new BlockBuilder(kinds[kind], capacity)
    builders.set(kind, known)
    return known
  }
  const drain = (kind: KindName) => {
    const builder = block(kind)
    records.set(kind, [...(records.get(kind) ?? []), ...(builder.rows ? new Block(builder.encode(), kinds[kind]).records() : [])])
    builder.reset()
  }
  const drainAll = async () => [...builders.keys()].forEach(drain)
  const outbox: Outbox = {
    block,
    from() {},
    silent() {},
    ready: async () => [...builders].filter(([, builder]) => builder.full).forEach(([kind]) => drain(kind)),
    durable: drainAll,
    flush: drainAll,
    deadLetter: letter => void deadLetters.push(letter),
    async *published() {},
  }
  const instruments = {
    received: (count: number) => void (counted.received += count),
    sent: () => {},
    discarded: (count: number, reason: string) => void (discarded[reason] = (discarded[reason] ?? 0) + count),
  }
  const decoder = new Decoder({ since: 0, outbox, instruments, cluster: '', exporters: {}, limits, hold, ...options })
  let now = received
  return {
    decoder,
    deadLetters,
    discarded,
    counted,
    /** Each comes a millisecond after the one before. */
    async take(bytes: Uint8Array, { address = '192.0.2.1', process = 1 }: { address?: string; process?: number } = {}) {
      await decoder.take({ bytes, address, process, received: (now += 1000) })
    },
    /** Lets time go by and does what it asks for. */
    async sleep(ms: number) {
      now += ms * 1000
      await decoder.sweep(now / 1000)
    },
    rows(kind: KindName = 'flow'): Row[] {
      drain(kind)
      decoder.count()
      return records.get(kind) ?? []
    },
  }
}
