import { viewOf } from '../protobuf/bytes.ts'
import { timeAt } from './flow-parts.ts'
import { Flow } from './flow.ts'
import { Known } from './known.ts'
import type { Nodes, ReportingNode } from './nodes.ts'
import { loadObserverProto } from './proto.ts'
import { UndecodableError } from '../protobuf/cursor.ts'

/** What a response is about. */
export type Subject = 'flow' | 'lost_events' | 'node_status' | 'nothing'

/** The GetFlowsResponse that was read last, and the flow in it. One object is used for all messages. */
export class FlowMessage extends Flow {
  /** Whether the time is that of its arrival, as it had none. */
  isUntimed = false
  node: ReportingNode
  /** Handle of the node's name. */
  nodeName = 0
  #viewed: Buffer | undefined

  constructor(nodes: Nodes) {
    super(new Known(nodes))
    this.node = this.known.nodes.value(0).node
  }

  /** Reads a response. `received`, in microseconds, is the time of a flow that has none. Throws UndecodableError. */
  read(bytes: Buffer, start: number, end: number, received: number): Subject {
    if (this.#viewed !== bytes) {
      this.#viewed = bytes
      this.view = viewOf(bytes)
    }
    const { cursor } = this
    cursor.open(bytes, start, end)
    this.clear()
    let subject: Subject = 'nothing'
    let flows = 0
    let nameStart = 0
    let nameEnd = 0
    let timeStart = -1
    let timeEnd = -1
    // The flow is read when it is met, so that the bytes are gone through in the order they lie in memory.
    while (cursor.at < end) {
      const tag = cursor.tag()
      cursor.skip(tag)
      const next = cursor.at
      switch (tag) {
        case 10:
          if (flows++) this.isIrregular = true
          subject = 'flow'
          this.readFlow(bytes, cursor.start, next)
          cursor.at = next
          break
        case 18:
          subject = 'node_status'
          break
        case 26:
          subject = 'lost_events'
          break
        case 8002:
          nameStart = cursor.start
          nameEnd = next
          break
        case 8010:
          timeStart = cursor.start
          timeEnd = next
      }
    }
    if (subject !== 'flow') return subject
    if (this.isIrregular) return this.#readMerged(bytes, start, end, received)
    if (this.time < 0 && timeStart >= 0) this.time = timeAt(cursor, bytes, timeStart, timeEnd)
    this.isUntimed = this.time < 0
    if (this.isUntimed) this.time = received
    if (this.nameEnd > this.nameStart) this.nodeName = this.known.nodes.find(bytes, this.view, this.nameStart, this.nameEnd)
    else this.nodeName = this.known.nodes.find(bytes, this.view, nameStart, nameEnd)
    this.node = this.known.nodes.value(this.nodeName).node
    return subject
  }

  /** Sub-messages that come twice are put together, as protobuf wants, by who can do it. No Hubble sends them. */
  #readMerged(bytes: Buffer, start: number, end: number, received: number): Subject {
    const message = loadObserverProto().lookupType('observer.GetFlowsResponse')
    let once: Uint8Array
    try {
      once = message.encode(message.decode(bytes.subarray(start, end))).finish()
    } catch (error) {
      throw new UndecodableError((error as Error).message, start)
    }
    return this.read(Buffer.from(once.buffer, once.byteOffset, once.byteLength), 0, once.byteLength, received)
  }
}
