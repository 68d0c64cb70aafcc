import { AddressReader } from '../addresses.ts'
import { type Cursor, bytesType, varintType } from '../protobuf/cursor.ts'

const ipVersions = [0, 4, 6]

/** Numbers of the protocols in flow.Layer4. */
const tcp = 1
const udp = 2
const icmpV4 = 3
const icmpV6 = 4
const sctp = 5
const lastProtocol = 7

/** What a flow says about IP and the protocol over it. */
export class Packet {
  /** Whether anything came that most packets have not: encryption, translation, ICMP. */
  hasRare = false
  encrypted = 0
  ipVersion = 0
  protocol = 0
  tcpFlags = 0
  icmpType = 0
  icmpCode = 0
  sourcePort = 0
  destinationPort = 0
  /** Source, destination and translated source. */
  readonly addresses = new AddressReader(3)

  clear(): void {
    this.hasRare = false
    this.encrypted = this.ipVersion = this.protocol = this.tcpFlags = 0
    this.icmpType = this.icmpCode = this.sourcePort = this.destinationPort = 0
    this.addresses.clear()
  }

  /** flow.IP. `cursor` is open over the bytes; so it is for the other readers. */
  readIp(cursor: Cursor, bytes: Buffer, view: DataView, start: number, end: number): void {
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 24) this.ipVersion = ipVersions[cursor.varint()] ?? 0
      else if (tag === 32) {
        this.encrypted = cursor.varint() || cursor.high ? 1 : 0
        this.hasRare = true
      } else if (tag === 10 || tag === 18 || tag === 42) {
        cursor.span()
        if (tag === 42) this.hasRare = true
        this.addresses.read(tag === 10 ? 0 : tag === 18 ? 1 : 2, bytes, view, cursor.start, cursor.end)
      } else cursor.skip(tag)
    }
    cursor.close(end)
  }

  /** flow.Layer4. */
  readLayer4(cursor: Cursor, start: number, end: number): void {
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      const number = tag >>> 3
      if ((tag & 7) !== bytesType || number > lastProtocol) {
        cursor.skip(tag)
        continue
      }
      const length = cursor.varint()
      this.protocol = number
      if (number === tcp || number === udp || number === sctp) this.#readPorts(cursor, number, cursor.at + length)
      else if (number === icmpV4 || number === icmpV6) this.#readIcmp(cursor, cursor.at + length)
      else skipTo(cursor, cursor.at + length)
    }
    cursor.close(end)
  }

  /** Numbers of two and three bytes, as ports are, are read in place, for speed. */
  #readPorts(cursor: Cursor, number: number, end: number): void {
    const { bytes } = cursor
    let { at } = cursor
    while (at < end) {
      const tag = bytes[at++]
      if (tag === 8 || tag === 16) {
        let port = bytes[at++]
        if (port > 127) {
          const second = bytes[at++]
          port = (port & 127) | ((second & 127) << 7)
          if (second > 127) {
            const third = bytes[at++]
            port |= third << 14
            if (!(third < 128)) {
              port = cursor.varintAt(at - 3)
              at = cursor.at
            }
          }
        }
        if (tag === 8) this.sourcePort = port
        else this.destinationPort = port
      } else {
        cursor.at = at - 1
        this.#readOther(cursor, number)
        at = cursor.at
      }
    }
    cursor.at = at
    cursor.close(end)
  }

  #readOther(cursor: Cursor, number: number): void {
    const tag = cursor.tag()
    if (tag === 8) this.sourcePort = cursor.varint()
    else if (tag === 16) this.destinationPort = cursor.varint()
    else if (tag === 26 && number === tcp) this.#readTcpFlags(cursor)
    else cursor.skip(tag)
  }

  #readIcmp(cursor: Cursor, end: number): void {
    this.hasRare = true
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) this.icmpType = cursor.varint()
      else if (tag === 16) this.icmpCode = cursor.varint()
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #readTcpFlags(cursor: Cursor): void {
    const length = cursor.varint()
    const end = cursor.at + length
    while (cursor.at < end) {
      const tag = cursor.tag()
      if ((tag & 7) === varintType && tag <= 72) {
        const bit = 1 << ((tag >>> 3) - 1)
        this.tcpFlags = cursor.varint() || cursor.high ? this.tcpFlags | bit : this.tcpFlags & ~bit
      } else cursor.skip(tag)
    }
    cursor.close(end)
  }
}

/** Passes over all fields of a message. */
function skipTo(cursor: Cursor, end: number): void {
  while (cursor.at < end) cursor.skip(cursor.tag())
  cursor.close(end)
}
