import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { copyAddress, setWide, wordsOf } from '../columns.ts'
import { type Decision, flowDecisionColumns } from './decision.ts'
import { at } from './address.ts'
import type { Entry } from './entry.ts'
import { type Situation, flowColumns } from './situation.ts'
import { LabelGroup, Words } from './words.ts'

/** Places of the codes in words: those behind the places of requests. */
const firstPlace = 10

/** What a row of a flow tells besides its entry. */
export interface Part {
  layer: 'l4_proxy' | 'l7_proxy'
  isReply: boolean
  protocol: 'tcp' | 'udp'
  bytes: number
  connections: number
  /** Nanoseconds. */
  duration: number
  endReason: Words
  /** Microseconds. */
  time: number
  received: number
}

/** Writes connections, and denials of requests, as rows of one block of flows. */
export class FlowRows {
  readonly #builder: BlockBuilder
  readonly #situation: LabelGroup
  readonly #decision: LabelGroup
  readonly #flags: LabelGroup
  readonly #endReason: LabelGroup
  readonly #layer: LabelGroup
  readonly #layers = new Map<string, Words>()
  readonly #policyMatch: LabelGroup
  readonly #audited = new Words('dry_run')
  readonly #wides
  readonly #numbers
  readonly #traceId
  readonly #connectionId
  readonly #src: Uint32Array
  readonly #dst: Uint32Array

  constructor(builder: BlockBuilder) {
    let place = firstPlace
    const group = (...names: readonly string[]) => new LabelGroup(builder, place++, names)
    this.#builder = builder
    this.#situation = group(...flowColumns)
    this.#decision = group(...flowDecisionColumns)
    this.#flags = group('response_flags')
    this.#endReason = group('end_reason')
    this.#layer = group('layer', 'is_reply', 'protocol')
    this.#policyMatch = group('policy_match')
    const wide = (name: string) => builder.wides(name)
    this.#wides = { time: wide('time'), received: wide('received'), bytes: wide('bytes'), duration: wide('duration') }
    const number = (name: string) => builder.numbers(name).values
    this.#numbers = {
      ipVersion: number('ip_version'),
      encrypted: number('encrypted'),
      connections: number('connections'),
      srcPort: number('src_port'),
      dstPort: number('dst_port'),
      weight: number('weight'),
    }
    this.#traceId = builder.texts('trace_id')
    this.#connectionId = builder.texts('connection_id')
    this.#src = wordsOf(builder.addresses('src_address'))
    this.#dst = wordsOf(builder.addresses('dst_address'))
  }

  get full(): boolean {
    return this.#builder.full
  }

  write(entry: Entry, situation: Situation, decision: Decision, part: Part): void {
    const row = this.#builder.rows
    this.#situation.write(row, part.isReply ? situation.reply : situation.forward)
    this.#decision.write(row, decision.flow)
    this.#flags.write(row, entry.flags.words)
    this.#endReason.write(row, part.endReason)
    this.#layer.write(row, this.#layerOf(part))
    if (decision.flow.texts[0] === 'audit') this.#policyMatch.write(row, this.#audited)
    this.#writeEnds(row, entry, part.isReply)
    this.#writeNumbers(row, entry, part)
    this.#numbers.encrypted[row] = situation.encrypted ? 1 : 0
    const { bytes, streamId, traceId } = entry
    if (streamId.end) this.#connectionId.setBytes(row, bytes, streamId.start, streamId.end)
    if (traceId.end) this.#traceId.setBytes(row, bytes, traceId.start, traceId.end)
    this.#builder.next(part.time)
  }

  #layerOf({ layer, isReply, protocol }: Part): Words {
    const key = `${layer} ${isReply} ${protocol}`
    const known = this.#layers.get(key) ?? new Words(layer, isReply ? 'yes' : 'no', protocol)
    this.#layers.set(key, known)
    return known
  }

  #writeEnds(row: number, { addresses }: Entry, isReply: boolean): void {
    const [from, to] = isReply ? [at.server, at.client] : [at.client, at.server]
    copyAddress(this.#src, row, addresses.words, from)
    copyAddress(this.#dst, row, addresses.words, to)
    this.#numbers.srcPort[row] = addresses.ports[from]
    this.#numbers.dstPort[row] = addresses.ports[to]
    this.#numbers.ipVersion[row] = addresses.version(at.client) || addresses.version(at.server)
  }

  #writeNumbers(row: number, { weight }: Entry, { time, received, bytes, duration, connections }: Part): void {
    setWide(this.#wides.time, row, time)
    setWide(this.#wides.received, row, received)
    setWide(this.#wides.bytes, row, bytes)
    setWide(this.#wides.duration, row, duration)
    this.#numbers.connections[row] = connections
    this.#numbers.weight[row] = weight
  }
}
