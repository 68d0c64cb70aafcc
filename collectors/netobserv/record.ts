import { addressBytes } from '../../runtime/block/address.ts'
import { Cursor, UndecodableError } from '../protobuf/cursor.ts'
import { Interner } from '../protobuf/interner.ts'
import { OverLimitError } from '../protobuf/limits.ts'
import { type NetworkEvent, noEvent, readEvent } from './events.ts'
import { type Passage, passageReader, uplinksBy } from './interfaces.ts'

/** What records repeat, by its bytes. */
export class Known {
  readonly passages: Interner<Passage>
  readonly events = new Interner<NetworkEvent>(noEvent, readEvent, 1 << 20)
  readonly isUplink: (name: string) => boolean

  /** `uplinks` are patterns of interfaces that lead to other nodes. */
  constructor(uplinks: readonly string[]) {
    this.isUplink = uplinksBy(uplinks)
    this.passages = new Interner({ name: '', isEgress: false, isUplink: false }, passageReader(this.isUplink), 1 << 20)
  }
}

/** Places of addresses in `FlowRecord.addresses`. */
export const places = { source: 0, destination: 1, agent: 2, translatedSource: 3, translatedDestination: 4 }
const placeCount = 5
/** Places of moments. */
const moments = { start: 0, end: 2, dnsLatency: 4, roundTrip: 6 }
const mostPassages = 64
const mostEvents = 64
const longestName = 1024

/** pbflow.Record as it was read last. Times in microseconds, durations in nanoseconds. */
export class FlowRecord {
  ethProtocol = 0
  isEgress = false
  start = 0
  end = 0
  duration = 0
  dscp = 0
  sourcePort = 0
  destinationPort = 0
  protocol = 0
  bytes = 0
  packets = 0
  isDuplicate = false
  flags = 0
  icmpType = 0
  icmpCode = 0
  droppedBytes = 0
  droppedPackets = 0
  dropCause = 0
  dnsId = 0
  dnsFlags = 0
  dnsErrno = 0
  dnsLatency = 0
  dnsName = ''
  roundTrip = 0
  sampling = 0
  isEncrypted = false
  tlsVersion = 0
  /** Version of IP by `places`; 0 where there is no address. */
  readonly versions = new Uint8Array(placeCount)
  readonly words = new Uint32Array((placeCount * addressBytes) / 4)
  readonly addresses = new Uint8Array(this.words.buffer)
  passages: Passage[] = []
  events: NetworkEvent[] = []
  readonly #known: Known
  readonly #cursor = new Cursor()
  #interface = ''
  #encryptionFailed = false
  /** Seconds and nanoseconds of each of `moments`. */
  readonly #moments = new Float64Array(8)
  #view!: DataView

  constructor(known: Known) {
    this.#known = known
  }

  /** Reads a record. Throws UndecodableError and OverLimitError. */
  read(bytes: Buffer, view: DataView, start: number, end: number): void {
    this.#clear()
    this.#view = view
    const cursor = this.#cursor
    cursor.open(bytes, start, end)
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (!this.#readCommon(tag) && !this.#readRare(tag)) cursor.skip(tag)
    }
    cursor.close(end)
    this.#finish()
  }

  #clear(): void {
    this.ethProtocol = this.dscp = this.sourcePort = this.destinationPort = this.protocol = this.bytes = this.packets = 0
    this.flags = this.icmpType = this.icmpCode = this.droppedBytes = this.droppedPackets = this.dropCause = 0
    this.dnsId = this.dnsFlags = this.dnsErrno = this.sampling = this.tlsVersion = 0
    this.isEgress = this.isDuplicate = this.isEncrypted = this.#encryptionFailed = false
    this.dnsName = this.#interface = ''
    this.#moments.fill(0)
    this.versions.fill(0)
    this.words.fill(0)
    if (this.passages.length) this.passages = []
    if (this.events.length) this.events = []
  }

  /** Agents before 1.7 tell one interface, and the same packets again for each of the others. */
  #finish(): void {
    const [startSeconds, startNanos, endSeconds, endNanos, latencySeconds, latencyNanos, tripSeconds, tripNanos] = this.#moments
    this.start = micros(startSeconds, startNanos)
    this.end = micros(endSeconds, endNanos)
    this.duration = this.start && this.end ? Math.max(0, (endSeconds - startSeconds) * 1e9 + endNanos - startNanos) : 0
    this.dnsLatency = exact(latencySeconds * 1e9 + latencyNanos)
    this.roundTrip = exact(tripSeconds * 1e9 + tripNanos)
    this.isEncrypted &&= !this.#encryptionFailed
    const name = this.#interface
    if (!this.passages.length && name) this.passages = [{ name, isEgress: this.isEgress, isUplink: this.#known.isUplink(name) }]
  }

  /** What is in every record; false when this field is not. */
  #readCommon(tag: number): boolean {
    const cursor = this.#cursor
    if (tag === 8) this.ethProtocol = cursor.varint()
    else if (tag === 16) this.isEgress = cursor.varint() === 1
    else if (tag === 26) this.#readMoment(moments.start)
    else if (tag === 34) this.#readMoment(moments.end)
    else if (tag === 50) this.#readNetwork()
    else if (tag === 58) this.#readTransport()
    else if (tag === 64) this.bytes = wide(cursor)
    else if (tag === 72) this.packets = wide(cursor)
    else if (tag === 98) this.#readAddress(places.agent)
    else if (tag === 104) this.flags = cursor.varint()
    else if (tag === 194) this.#readMoment(moments.roundTrip)
    else if (tag === 210) this.#readPassage()
    else return false
    return true
  }

  #readRare(tag: number): boolean {
    const cursor = this.#cursor
    if (tag === 82) this.#interface = this.#readName()
    else if (tag === 88) this.isDuplicate = cursor.varint() !== 0
    else if (tag === 112) this.icmpType = cursor.varint()
    else if (tag === 120) this.icmpCode = cursor.varint()
    else if (tag === 128) this.droppedBytes = wide(cursor)
    else if (tag === 136) this.droppedPackets = wide(cursor)
    else if (tag === 160) this.dropCause = cursor.varint()
    else if (tag === 168) this.dnsId = cursor.varint()
    else if (tag === 176) this.dnsFlags = cursor.varint()
    else if (tag === 186) this.#readMoment(moments.dnsLatency)
    else if (tag === 200) this.dnsErrno = cursor.varint()
    else if (tag === 218) this.#readEvent()
    else if (tag === 226) this.#readTranslation()
    else if (tag === 232) this.sampling = cursor.varint()
    else if (tag === 240) this.isEncrypted = cursor.varint() !== 0
    else if (tag === 248) this.#encryptionFailed = cursor.varint() !== 0
    else if (tag === 258) this.dnsName = this.#readName()
    else if (tag === 264) this.tlsVersion = cursor.varint()
    else return false
    return true
  }

  #readNetwork(): void {
    const cursor = this.#cursor
    cursor.span()
    const { end } = cursor
    cursor.at = cursor.start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 10) this.#readAddress(places.source)
      else if (tag === 18) this.#readAddress(places.destination)
      else if (tag === 24) this.dscp = cursor.varint()
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #readTransport(): void {
    const cursor = this.#cursor
    cursor.span()
    const { end } = cursor
    cursor.at = cursor.start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) this.sourcePort = cursor.varint()
      else if (tag === 16) this.destinationPort = cursor.varint()
      else if (tag === 24) this.protocol = cursor.varint()
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #readTranslation(): void {
    const cursor = this.#cursor
    cursor.span()
    const { end } = cursor
    cursor.at = cursor.start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 10) this.#readAddress(places.translatedSource)
      else if (tag === 18) this.#readAddress(places.translatedDestination)
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  /** pbflow.IP: a fixed32 whose upper byte is the first of the address, or 16 bytes. */
  #readAddress(place: number): void {
    const cursor = this.#cursor
    cursor.span()
    const { start, end } = cursor
    cursor.at = start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 13) this.#readVersion4(place, end)
      else if (tag === 18) this.#readVersion6(place)
      else cursor.skip(tag)
    }
    cursor.close(end)
  }

  #readVersion4(place: number, end: number): void {
    const { at } = this.#cursor
    if (at + 4 > end) throw new UndecodableError('the message ends within an address', at)
    const to = place * 4
    this.words[to] = this.words[to + 1] = 0
    this.words[to + 2] = mapped
    this.words[to + 3] = swapped(this.#view.getUint32(at, true))
    this.versions[place] = 4
    this.#cursor.at = at + 4
  }

  #readVersion6(place: number): void {
    const cursor = this.#cursor
    cursor.span()
    const { bytes, start, end } = cursor
    if (start === end) return this.#forget(place)
    if (end - start !== addressBytes) throw new UndecodableError(`an address of ${end - start} bytes`, start)
    bytes.copy(this.addresses, place * addressBytes, start, end)
    const at = place * 4
    this.versions[place] = this.words[at] === 0 && this.words[at + 1] === 0 && this.words[at + 2] === mapped ? 4 : 6
  }

  /** An agent that knows no address of its own sends an empty one. */
  #forget(place: number): void {
    this.words.fill(0, place * 4, place * 4 + 4)
    this.versions[place] = 0
  }

  #readPassage(): void {
    const cursor = this.#cursor
    cursor.span()
    if (this.passages.length === mostPassages) throw new OverLimitError(`more than ${mostPassages} interfaces`)
    const { passages } = this.#known
    this.passages.push(passages.value(passages.find(cursor.bytes, this.#view, cursor.start, cursor.end)))
  }

  #readEvent(): void {
    const cursor = this.#cursor
    cursor.span()
    if (this.events.length === mostEvents) throw new OverLimitError(`more than ${mostEvents} network events`)
    const { events } = this.#known
    this.events.push(events.value(events.find(cursor.bytes, this.#view, cursor.start, cursor.end)))
  }

  #readName(): string {
    const cursor = this.#cursor
    cursor.span()
    const { start, end } = cursor
    if (end - start > longestName) throw new OverLimitError(`a name of ${end - start} bytes`)
    return cursor.text(start, end)
  }

  /** google.protobuf.Timestamp and Duration. */
  #readMoment(at: number): void {
    const cursor = this.#cursor
    cursor.span()
    const { end } = cursor
    cursor.at = cursor.start
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 8) this.#moments[at] = wide(cursor)
      else if (tag === 16) this.#moments[at + 1] = cursor.varint() % 1e9
      else cursor.skip(tag)
    }
    cursor.close(end)
  }
}

/** The third word of an IPv4 address in IPv6 form, and a word with its bytes the other way round, as they lie in memory. */
const mapped = new Uint32Array(Uint8Array.of(0, 0, 255, 255).buffer)[0]
const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
const swapped = (word: number) =>
  isLittleEndian ? ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0 : word

const exact = (value: number) => Math.min(value, Number.MAX_SAFE_INTEGER)
const micros = (seconds: number, nanos: number) => exact(seconds * 1e6 + Math.floor(nanos / 1000))

/** A number of 64 bits, as far as it is exact; below zero is zero. */
function wide(cursor: Cursor): number {
  const low = cursor.varint()
  const { high } = cursor
  return high >= 0x80000000 ? 0 : exact(high * 0x100000000 + low)
}

/** Where each record of a pbflow.Records is. Throws UndecodableError. */
export function* entriesOf(bytes: Buffer): Generator<{ start: number; end: number }> {
  const cursor = new Cursor()
  cursor.open(bytes, 0, bytes.length)
  while (cursor.at < bytes.length) {
    const tag = cursor.tag()
    if (tag !== 10) cursor.skip(tag)
    else {
      cursor.span()
      yield { start: cursor.start, end: cursor.end }
    }
  }
  cursor.close(bytes.length)
}
