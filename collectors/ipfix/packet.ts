import { protocolNumbers } from './vocabulary.ts'
import { uint16 } from './wire.ts'

const etherTypes = { ipv4: 0x0800, ipv6: 0x86dd, vlan: [0x8100, 0x88a8, 0x9100], mpls: [0x8847, 0x8848] } as const
/** What is in front of the IP header: sFlow's numbers of header protocols. */
export const headerProtocols = { ethernet: 1, ipv4: 11, ipv6: 12, mpls: 13 } as const

const maxTags = 4
const maxLabels = 8
const maxExtensions = 8
/** Headers of IPv6 that are followed by another one: hop-by-hop, routing, fragment, authentication, destination. */
const extensions = { hopByHop: 0, routing: 43, fragment: 44, authentication: 51, destination: 60 } as const
const isExtension = (header: number) => (Object.values(extensions) as number[]).includes(header)

/** The headers of one packet, as far as they were sampled. One is read after the other into the same object. */
export class Packet {
  version: 0 | 4 | 6 = 0
  /** Where the addresses lie in the bytes. */
  srcAt = 0
  dstAt = 0
  protocol = 0
  srcPort = 0
  dstPort = 0
  tcpFlags = 0
  icmpType = 0
  icmpCode = 0
  dscp = 0
  vlan = 0

  clear(): void {
    this.version = 0
    this.protocol = this.srcPort = this.dstPort = this.tcpFlags = 0
    this.icmpType = this.icmpCode = this.dscp = this.vlan = 0
  }

  /** Reads the headers from `at` to `end`. Returns false for what is no IP, or ends before the addresses do. */
  read(headerProtocol: number, bytes: Uint8Array, at: number, end: number): boolean {
    this.clear()
    switch (headerProtocol) {
      case headerProtocols.ethernet:
        return this.#ethernet(bytes, at, end)
      case headerProtocols.mpls:
        return this.#mpls(bytes, at, end)
      case headerProtocols.ipv4:
      case headerProtocols.ipv6:
        return this.#ip(bytes, at, end)
      default:
        return false
    }
  }

  #ethernet(bytes: Uint8Array, from: number, end: number): boolean {
    let at = from + 12
    for (let tags = 0; at + 4 <= end && tags <= maxTags; tags++) {
      const type = uint16(bytes, at)
      if (type === etherTypes.ipv4 || type === etherTypes.ipv6) return this.#ip(bytes, at + 2, end)
      if ((etherTypes.mpls as readonly number[]).includes(type)) return this.#mpls(bytes, at + 2, end)
      if (!(etherTypes.vlan as readonly number[]).includes(type)) return false
      // Of stacked tags the inner one is the customer's network.
      this.vlan = uint16(bytes, at + 2) & 0xfff
      at += 4
    }
    return false
  }

  /** Labels up to the one that is the bottom of the stack (RFC 3032). */
  #mpls(bytes: Uint8Array, from: number, end: number): boolean {
    let at = from
    for (let labels = 0; at + 4 <= end && labels < maxLabels; labels++) {
      const isBottom = (bytes[at + 2] & 1) === 1
      at += 4
      if (isBottom) return this.#ip(bytes, at, end)
    }
    return false
  }

  #ip(bytes: Uint8Array, at: number, end: number): boolean {
    const version = at < end ? bytes[at] >> 4 : 0
    return version === 4 ? this.#ipv4(bytes, at, end) : version === 6 && this.#ipv6(bytes, at, end)
  }

  #ipv4(bytes: Uint8Array, at: number, end: number): boolean {
    const length = (bytes[at] & 15) * 4
    if (at + 20 > end || length < 20) return false
    this.version = 4
    this.dscp = bytes[at + 1] >> 2
    this.protocol = bytes[at + 9]
    this.srcAt = at + 12
    this.dstAt = at + 16
    const isFirstFragment = (uint16(bytes, at + 6) & 0x1fff) === 0
    if (isFirstFragment) this.#transport(bytes, at + length, end)
    return true
  }

  #ipv6(bytes: Uint8Array, from: number, end: number): boolean {
    if (from + 40 > end) return false
    this.version = 6
    this.dscp = (uint16(bytes, from) >> 6) & 63
    this.srcAt = from + 8
    this.dstAt = from + 24
    let next = bytes[from + 6]
    let at = from + 40
    let isFirstFragment = true
    for (let count = 0; isExtension(next) && at + 8 <= end && count < maxExtensions; count++) {
      if (next === extensions.fragment) isFirstFragment = uint16(bytes, at + 2) >> 3 === 0
      const length =
        next === extensions.fragment ? 8 : next === extensions.authentication ? (bytes[at + 1] + 2) * 4 : (bytes[at + 1] + 1) * 8
      next = bytes[at]
      at += length
    }
    this.protocol = next
    if (isFirstFragment) this.#transport(bytes, at, end)
    return true
  }

  #transport(bytes: Uint8Array, at: number, end: number): void {
    const { tcp, udp, sctp, icmp, icmpv6 } = protocolNumbers
    if (at + 4 > end) return
    if (this.protocol === tcp || this.protocol === udp || this.protocol === sctp) {
      this.srcPort = uint16(bytes, at)
      this.dstPort = uint16(bytes, at + 2)
      if (this.protocol === tcp && at + 14 <= end) this.tcpFlags = uint16(bytes, at + 12) & 0x1ff
    }
    if (this.protocol === icmp || this.protocol === icmpv6) {
      this.icmpType = bytes[at]
      this.icmpCode = bytes[at + 1]
    }
  }
}
