import { Connections } from '../../../collectors/envoy/connections.ts'
import { Decoder, type Tally, identifierIn } from '../../../collectors/envoy/decoder.ts'
import { type EnvoyNode, nodeOf, readIdentifier } from '../../../collectors/envoy/node.ts'
import { Situations } from '../../../collectors/envoy/situation.ts'
import { Block } from '../../../runtime/block/block.ts'
import { BlockBuilder } from '../../../runtime/block/builder.ts'
import { type KindName, kinds } from '../../../schema/record.ts'

export const received = 1_800_000_000_000_000
const noTally = (): Tally => ({ entries: 0, interim: 0, repeated: 0, overLimit: 0 })

export type Row = Record<string, unknown>

/** A decoder and blocks of its own, without a source around it. */
export function openDecoding({ connections = new Connections({ knownSince: 0 }), capacity = 4096 } = {}) {
  const decoder = new Decoder(connections)
  const builders = { flow: new BlockBuilder(kinds.flow, capacity), request: new BlockBuilder(kinds.request, capacity) }
  const taken: Record<'flow' | 'request', Row[]> = { flow: [], request: [] }
  const take = () => {
    for (const kind of ['flow', 'request'] as const) {
      taken[kind].push(...(new Block(builders[kind].encode(), kinds[kind]).records() as Row[]))
      builders[kind].reset()
    }
  }
  const decode = (bytes: Buffer, node: EnvoyNode, time = received): Tally => {
    decoder.open(bytes, node, time)
    decoder.writeTo(builders.flow, builders.request)
    while (!decoder.read()) take()
    return decoder.tally
  }
  return {
    decoder,
    builders,
    decode,
    /** All messages of a stream, the first of which introduces its Envoy. */
    decodeStream(messages: readonly Buffer[], time = received): Tally {
      const node = introducedBy(messages[0])
      const sum = noTally()
      for (const message of messages) {
        const tally = decode(message, node, time)
        for (const key of Object.keys(sum) as (keyof Tally)[]) sum[key] += tally[key]
      }
      return sum
    },
    /** Rows of a kind since the last time. */
    rows(kind: KindName & ('flow' | 'request')): Row[] {
      take()
      return taken[kind].splice(0)
    },
  }
}

export function introducedBy(message: Buffer, defaults: Parameters<typeof nodeOf>[2] = { cluster: '', kind: '' }): EnvoyNode {
  const said = identifierIn(message)
  const told = said ? readIdentifier(message, said.start, said.end) : { id: '', log: '' }
  return nodeOf(told, '10.9.9.9', defaults, new Situations())
}

/** How often each text comes that `of` makes of a row. */
export function countBy(rows: readonly Row[], of: (row: Row) => unknown): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const row of rows) counts[String(of(row))] = (counts[String(of(row))] ?? 0) + 1
  return counts
}
