import type { SourceContext } from '../source.ts'
import { Decoder } from './decoder.ts'
import type { Framing } from '../grpc/framing.ts'
import { Losses } from './losses.ts'
import { type Nodes, type ReportingNode, fullNameOf } from './nodes.ts'
import { type Peer, silentAmong } from './peer.ts'
import { loadObserverProto } from './proto.ts'
import type { Memories } from './recall.ts'
import { UndecodableError } from '../protobuf/cursor.ts'

const silenceMicros = 1e6
/** What happened to the ring of a node that sends nothing known when it is asked again, unless the node failed. */
const overwritten = 'ring_overwritten'
/** Clocks of nodes and of Relay agree within this. */
const skewMicros = 1e6
const tellSilentMs = 30_000

interface Timestamp {
  seconds: number
  nanos: number
}
interface RareResponse {
  node_name: string
  time?: Timestamp
  node_status?: { state_change: number; node_names: string[]; message: string }
  lost_events?: { source: number; num_events_lost: number; first?: Timestamp; last?: Timestamp }
}

const microsOf = (time?: Timestamp) => (time ? Number(time.seconds) * 1e6 + Math.floor(time.nanos / 1000) : 0)

/** Takes responses as they come and writes flows, requests and losses; notices what was missed on the way. */
export class Intake {
  readonly #context: Pick<SourceContext, 'outbox' | 'instruments'>
  readonly #nodes: Nodes
  readonly #decoder: Decoder
  readonly #losses: Losses
  readonly #source: string
  readonly #peers: readonly Peer[]
  #silentTold = 0
  /** Whose messages are taken, from one await to the next. */
  #peer!: Peer
  #stretch = 0
  #sent: ReportingNode[] = []
  #repeated = 0
  #flows = 0

  constructor(
    context: Pick<SourceContext, 'outbox' | 'instruments'>,
    { nodes, memories, peers = [], source = 'hubble' }: { nodes: Nodes; memories: Memories; peers?: readonly Peer[]; source?: string },
  ) {
    this.#source = source
    this.#peers = peers
    this.#context = context
    this.#nodes = nodes
    this.#decoder = new Decoder({ nodes, memory: memories })
    this.#losses = new Losses(context.outbox, memories.loss)
  }

  /** Takes the messages of a chunk, several peers in turn. Resolves when there is room for more. */
  async take(framing: Pick<Framing, 'next' | 'bytes' | 'start' | 'end'>, peer: Peer): Promise<void> {
    const received = Date.now() * 1000
    this.#begin(peer)
    try {
      while (framing.next()) {
        // Another peer may have filled the next block meanwhile.
        while (this.#decoder.full || this.#losses.full) {
          this.#end()
          await this.#context.outbox.ready()
          this.#begin(peer)
        }
        this.#takeOne(framing.bytes, framing.start, framing.end, received)
      }
    } finally {
      this.#end()
    }
  }

  /** To be called after every await: another peer may have had its turn, and the blocks may be others. */
  #begin(peer: Peer): void {
    const { outbox } = this.#context
    this.#peer = peer
    this.#stretch++
    this.#decoder.writeTo(outbox.block('flow'), outbox.block('request'))
    this.#losses.follow()
  }

  /** To be called before every await: counts, and says in the blocks whose records they have. */
  #end(): void {
    const { outbox, instruments } = this.#context
    if (this.#sent.length) {
      for (const node of this.#sent) this.#peer.nodes.add(node)
      if (this.#peer.address) {
        const names = this.#sent.map(fullNameOf)
        for (const kind of ['flow', 'request', 'loss'] as const) outbox.from(kind, this.#peer.address, names)
      }
    }
    if (this.#flows > this.#repeated) this.#tellSilent()
    instruments.received(this.#flows)
    instruments.discarded(this.#repeated, 'repeated')
    this.#flows = this.#repeated = 0
    this.#sent = []
  }

  /** Says now and then where the nodes are that sent nothing for long: whoever goes on from these blocks finds nothing else of them. */
  #tellSilent(): void {
    const now = Date.now()
    if (now < this.#silentTold + tellSilentMs) return
    this.#silentTold = now
    this.#context.outbox.silent('flow', silentAmong(this.#peers, now * 1000))
  }

  /** Remembers that the peer speaks of this node: once for each stretch between two awaits, for that is what a flow can afford. */
  #spokeOf(node: ReportingNode): void {
    if (node.stretch === this.#stretch) return
    node.stretch = this.#stretch
    this.#sent.push(node)
  }

  #takeOne(bytes: Buffer, start: number, end: number, received: number): void {
    try {
      const subject = this.#decoder.decode(bytes, start, end, received)
      if (subject === 'flow') this.#heard(this.#decoder.message.node, this.#decoder.message.time)
      else if (subject !== 'nothing') this.#takeRare(bytes.subarray(start, end), received)
    } catch (error) {
      if (!(error instanceof UndecodableError)) throw error
      this.refuse(error.message, bytes.subarray(start, end))
    }
  }

  /** Counts what cannot be read, and keeps it for people to look at. */
  refuse(reason: string, body: Uint8Array): void {
    this.#context.instruments.discarded(1, 'undecodable')
    this.#context.outbox.deadLetter({ source: this.#source, reason, body: Buffer.from(body) })
  }

  #heard(node: ReportingNode, time: number): void {
    this.#flows++
    node.flows++
    this.#spokeOf(node)
    if (this.#decoder.repeated) this.#repeated++
    if (node.gap) this.#closeGap(node, time)
    if (time <= node.last) return
    if (node.last && time > node.last + silenceMicros) node.silence = { since: node.last, until: time, reported: false }
    node.last = time
  }

  /** A flow we know says that the node sends all since then. The first we do not know ends the gap. */
  #closeGap(node: ReportingNode, time: number): void {
    const gap = node.gap!
    if (this.#decoder.repeated) node.gap = undefined
    else if (time > gap.after) {
      node.gap = undefined
      node.state = 'connected'
      this.#losses.missed(node, gap, time)
      if (time > node.last + silenceMicros) node.silence = { since: node.last, until: time, reported: true }
    }
  }

  #takeRare(bytes: Uint8Array, received: number): void {
    const type = loadObserverProto().lookupType('observer.GetFlowsResponse')
    let response: RareResponse
    try {
      response = type.toObject(type.decode(bytes), { longs: Number, defaults: true, arrays: true }) as RareResponse
    } catch (error) {
      throw new UndecodableError((error as Error).message, 0)
    }
    const time = microsOf(response.time) || received
    if (response.node_status) this.#takeNodeStatus(response.node_status, time)
    else if (response.lost_events) this.#takeLostEvents(this.#nodes.named(response.node_name), response.lost_events, time)
  }

  #takeLostEvents(node: ReportingNode, lost: NonNullable<RareResponse['lost_events']>, time: number): void {
    this.#spokeOf(node)
    const [since, until] = [microsOf(lost.first), microsOf(lost.last)]
    if (!this.#losses.lost(node, { source: lost.source, count: lost.num_events_lost, since, until, time }))
      this.#context.instruments.discarded(1, 'repeated', { kind: 'loss' })
  }

  #takeNodeStatus({ state_change, node_names, message }: NonNullable<RareResponse['node_status']>, time: number): void {
    const states = loadObserverProto().lookupEnum('relay.NodeState').valuesById
    const state = (states[state_change] ?? String(state_change)).replace('NODE_', '').toLowerCase()
    for (const name of node_names) {
      const node = this.#nodes.named(name)
      this.#spokeOf(node)
      if (state === 'connected') node.state = state
      else this.#nodeFailed(node, { state, time, detail: message })
    }
  }

  /** Relay says so up to ten seconds late, when the node may be back already. That it failed explains why nothing known came again. */
  #nodeFailed(node: ReportingNode, { state, time, detail }: { state: string; time: number; detail: string }): void {
    const reason = `node_${state}`
    const { silence } = node
    if (node.last <= time + skewMicros) {
      node.state = state
      if (!node.gap || node.gap.reason === overwritten)
        node.gap = { reason, since: node.last || time, after: Math.max(node.last, time), detail }
    } else if (silence && !silence.reported && silence.since <= time + skewMicros && silence.until >= time) {
      silence.reported = true
      this.#losses.missed(node, { reason, since: silence.since, detail }, silence.until)
    }
  }

  /** To be said when a peer is asked again: each of its nodes has to send something we know, or its ring was overwritten. */
  expectOverlap({ nodes }: Peer): void {
    for (const node of nodes)
      if (node.last)
        node.gap ??= { reason: overwritten, since: node.last, after: node.last, detail: 'nothing of what was known came again' }
  }
}
