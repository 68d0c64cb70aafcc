import { UndecodableError } from '../protobuf/cursor.ts'
import { Packet } from './packet.ts'
import { families } from './sflow-head.ts'
import { uint32 } from './wire.ts'

const formats = { flow: 1, expandedFlow: 3 } as const
const records = { rawHeader: 1, ipv4: 3, ipv6: 4, extendedSwitch: 1001, extendedRouter: 1002, extendedGateway: 1003 } as const
const discardedFormat = 1
/** What an interface is given as when there is none, or it is the device itself. */
const noInterface = 0x3fffffff

/** One flow sample: a packet, and what the device did with it. One is read after the other into the same object. */
export class Sample {
  readonly packet = new Packet()
  /** Which data source of the agent, and its sequence number. */
  source = ''
  sequence = 0
  rate = 0
  /** Packets the source could not sample, since it started. */
  drops = 0
  input = 0
  output = 0
  /** Why it was dropped, -1 when it was not. */
  dropped = -1
  /** Bytes of the packet on the wire. */
  bytes = 0
  srcAs = 0
  dstAs = 0
  /** Where the next hop lies in the bytes, and its length; 0 without one. */
  nextHopAt = 0
  nextHopLength = 0

  #data: Uint8Array = new Uint8Array(0)
  #at = 0
  #end = 0
  #hasPacket = false

  /** Reads a sample of this format. Returns false for other kinds; throws UndecodableError when it ends early. */
  read(format: number, data: Uint8Array, start: number, end: number): boolean {
    if (format !== formats.flow && format !== formats.expandedFlow) return false
    this.#data = data
    this.#at = start
    this.#end = end
    this.packet.clear()
    this.dropped = -1
    this.bytes = this.srcAs = this.dstAs = this.nextHopAt = this.nextHopLength = 0
    this.#hasPacket = false
    this.#readHead(format === formats.expandedFlow)
    const count = this.#take()
    for (let i = 0; i < count; i++) this.#readRecord()
    return true
  }

  /** Whether there was an IP packet in it. */
  get hasPacket(): boolean {
    return this.#hasPacket
  }

  #take(): number {
    if (this.#at + 4 > this.#end) throw new UndecodableError('a sample ends early', this.#at)
    this.#at += 4
    return uint32(this.#data, this.#at - 4)
  }

  #readHead(isExpanded: boolean): void {
    this.sequence = this.#take()
    this.source = isExpanded ? `${this.#take()}:${this.#take()}` : sourceName(this.#take())
    this.rate = this.#take()
    this.#take()
    this.drops = this.#take()
    const [inputFormat, input] = this.#interface(isExpanded)
    const [outputFormat, output] = this.#interface(isExpanded)
    this.input = inputFormat === 0 && input !== noInterface ? input : 0
    this.output = outputFormat === 0 && output !== noInterface ? output : 0
    if (outputFormat === discardedFormat) this.dropped = output
  }

  #interface(isExpanded: boolean): [format: number, value: number] {
    const first = this.#take()
    return isExpanded ? [first, this.#take()] : [first >>> 30, first & noInterface]
  }

  #readRecord(): void {
    const format = this.#take()
    const length = this.#take()
    const start = this.#at
    const end = start + length
    if (end > this.#end) throw new UndecodableError('a record of a sample ends early', start)
    // Lengths are those of whole words (XDR, RFC 4506 §3).
    this.#at = Math.min(this.#end, start + ((length + 3) & ~3))
    if (format === records.rawHeader && length >= 16) this.#rawHeader(start, end)
    else if (format === records.ipv4 && length >= 32) this.#sampledIp(start, 4)
    else if (format === records.ipv6 && length >= 56) this.#sampledIp(start, 6)
    else if (format === records.extendedSwitch && length >= 4) this.packet.vlan ||= uint32(this.#data, start) & 0xfff
    else if (format === records.extendedRouter) this.#nextHop(start, end)
    else if (format === records.extendedGateway) this.#gateway(start, end)
  }

  #rawHeader(start: number, end: number): void {
    const headerEnd = Math.min(end, start + 16 + uint32(this.#data, start + 12))
    const vlan = this.packet.vlan
    this.#hasPacket = this.packet.read(uint32(this.#data, start), this.#data, start + 16, headerEnd)
    this.packet.vlan ||= vlan
    this.bytes = uint32(this.#data, start + 4)
  }

  /** Headers the agent has read itself. */
  #sampledIp(start: number, version: 4 | 6): void {
    if (this.#hasPacket) return
    const { packet } = this
    const size = version === 4 ? 4 : 16
    const ports = start + 8 + size * 2
    packet.version = version
    this.bytes = uint32(this.#data, start)
    packet.protocol = uint32(this.#data, start + 4) & 255
    packet.srcAt = start + 8
    packet.dstAt = start + 8 + size
    packet.srcPort = uint32(this.#data, ports)
    packet.dstPort = uint32(this.#data, ports + 4)
    packet.tcpFlags = uint32(this.#data, ports + 8)
    packet.dscp = (uint32(this.#data, ports + 12) & 255) >> 2
    this.#hasPacket = true
  }

  /** Returns where the address ends, or 0 when there is none. */
  #nextHop(start: number, end: number): number {
    const length = start + 4 <= end ? families[uint32(this.#data, start)] : undefined
    if (length === undefined || start + 4 + length > end) return 0
    this.nextHopAt = start + 4
    this.nextHopLength = length
    return start + 4 + length
  }

  #gateway(start: number, end: number): void {
    let at = this.#nextHop(start, end)
    if (!at || at + 16 > end) return
    this.srcAs = uint32(this.#data, at + 4)
    let segments = uint32(this.#data, at + 12)
    at += 16
    for (; segments > 0 && at + 8 <= end; segments--) {
      const length = uint32(this.#data, at + 4)
      at += 8 + length * 4
      if (at > end) return
      if (length) this.dstAs = uint32(this.#data, at - 4)
    }
  }
}

/** As expanded samples name it: class and index. */
const sourceName = (id: number) => `${id >>> 24}:${id & 0xffffff}`

const dropReasons: Readonly<Record<number, string>> = {
  257: 'ttl_exceeded',
  258: 'policy_denied',
  259: 'no_buffer_space',
  260: 'red',
  261: 'traffic_shaping',
  262: 'packet_too_big',
}
/** Why a device discarded a packet; numbers below 256 are codes of ICMP Destination Unreachable. */
export const sflowDropReason = (reason: number): string => dropReasons[reason] ?? (reason < 256 ? `unreachable_${reason}` : 'unknown')
