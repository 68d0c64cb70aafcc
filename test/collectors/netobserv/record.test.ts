import test from 'ava'
import fc from 'fast-check'
import { commonUplinks, uplinksBy } from '../../../collectors/netobserv/interfaces.ts'
import { FlowRecord, Known, entriesOf, places } from '../../../collectors/netobserv/record.ts'
import { viewOf } from '../../../collectors/protobuf/bytes.ts'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import { OverLimitError } from '../../../collectors/protobuf/limits.ts'
import { readAddress } from '../../../runtime/block/address.ts'
import { choices, scramble } from '../hubble/scramble.ts'
import { type Plain, decodeRecord, encodeRecord, encodeRecords, ip, record, recordType } from './records.ts'

const uint32 = fc.oneof(fc.nat(), fc.constantFrom(0, 1, 255, 65_535, 2 ** 32 - 1))
const uint64 = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32, 2 ** 53 - 1))
const name = fc.string({ unit: 'binary', maxLength: 20 })
const address = fc.oneof(fc.ipV4(), fc.ipV6()).map(ip)
const timestamp = fc.record({ seconds: fc.nat({ max: 4_000_000_000 }), nanos: fc.nat({ max: 999_999_999 }) }, { requiredKeys: [] })
const duration = fc.record({ seconds: fc.nat({ max: 1000 }), nanos: fc.nat({ max: 999_999_999 }) }, { requiredKeys: [] })
const passage = fc.record({ interface: name, direction: fc.nat({ max: 1 }), udn: name }, { requiredKeys: [] })
const event = fc.record({
  events: fc.dictionary(
    fc.constantFrom('Feature', 'Action', 'Type', 'Name', 'Namespace', 'other'),
    fc.oneof(name, fc.constantFrom('acl', 'allow', 'allow-related', 'drop', 'reject', 'NetworkPolicy')),
    { noNullPrototype: true },
  ),
})
const records = fc.record(
  {
    eth_protocol: uint32,
    direction: fc.nat({ max: 1 }),
    time_flow_start: timestamp,
    time_flow_end: timestamp,
    data_link: fc.record({ src_mac: uint64, dst_mac: uint64 }),
    network: fc.record({ src_addr: address, dst_addr: address, dscp: uint32 }, { requiredKeys: [] }),
    transport: fc.record({ src_port: uint32, dst_port: uint32, protocol: uint32 }, { requiredKeys: [] }),
    bytes: uint64,
    packets: uint64,
    interface: name,
    duplicate: fc.boolean(),
    agent_ip: address,
    flags: uint32,
    icmp_type: uint32,
    icmp_code: uint32,
    pkt_drop_bytes: uint64,
    pkt_drop_packets: uint64,
    pkt_drop_latest_drop_cause: uint32,
    dns_id: uint32,
    dns_flags: uint32,
    dns_latency: duration,
    time_flow_rtt: duration,
    dns_errno: uint32,
    dup_list: fc.array(passage, { maxLength: 4 }),
    network_events_metadata: fc.array(event, { maxLength: 3 }),
    xlat: fc.record({ src_addr: address, dst_addr: address }, { requiredKeys: [] }),
    sampling: uint32,
    ipsec_encrypted: uint32,
    ipsec_encrypted_ret: fc.integer(),
    dns_name: name,
    ssl_version: uint32,
    tls_types: uint32,
  },
  { requiredKeys: [] },
)

type Time = { seconds: number; nanos: number } | null
const micros = (time: Time) => (time ? time.seconds * 1e6 + Math.floor(time.nanos / 1000) : 0)
const nanos = (time: Time) => (time ? time.seconds * 1e9 + time.nanos : 0)

function addressOf(value: unknown): string {
  const { ipv4, ipv6 } = (value ?? {}) as { ipv4?: number; ipv6?: Uint8Array }
  if (ipv6) return ipv6.length ? readAddress(ipv6, 0) : ''
  if (ipv4 === undefined) return ''
  return [24, 16, 8, 0].map(shift => (ipv4 >>> shift) & 255).join('.')
}

function durationOf({ time_flow_start, time_flow_end }: Plain): number {
  const [start, end] = [time_flow_start as Time, time_flow_end as Time]
  if (!micros(start) || !micros(end)) return 0
  return Math.max(0, (end!.seconds - start!.seconds) * 1e9 + end!.nanos - start!.nanos)
}

/** What the reader shall find, out of what protobufjs found. */
function expected(plain: Plain) {
  const network = (plain.network ?? {}) as Plain
  const transport = (plain.transport ?? {}) as Plain
  const xlat = (plain.xlat ?? {}) as Plain
  const passages = (plain.dup_list as Plain[]).map(one => ({ name: one.interface, isEgress: one.direction === 1 }))
  return {
    ethProtocol: plain.eth_protocol,
    start: micros(plain.time_flow_start as Time),
    end: micros(plain.time_flow_end as Time),
    duration: durationOf(plain),
    dscp: network.dscp ?? 0,
    sourcePort: transport.src_port ?? 0,
    destinationPort: transport.dst_port ?? 0,
    protocol: transport.protocol ?? 0,
    bytes: plain.bytes,
    packets: plain.packets,
    isDuplicate: plain.duplicate,
    flags: plain.flags,
    icmpType: plain.icmp_type,
    icmpCode: plain.icmp_code,
    droppedBytes: plain.pkt_drop_bytes,
    droppedPackets: plain.pkt_drop_packets,
    dropCause: plain.pkt_drop_latest_drop_cause,
    dnsId: plain.dns_id,
    dnsFlags: plain.dns_flags,
    dnsErrno: plain.dns_errno,
    dnsLatency: nanos(plain.dns_latency as Time),
    dnsName: plain.dns_name,
    roundTrip: nanos(plain.time_flow_rtt as Time),
    sampling: plain.sampling,
    isEncrypted: plain.ipsec_encrypted !== 0 && plain.ipsec_encrypted_ret === 0,
    tlsVersion: plain.ssl_version,
    source: addressOf(network.src_addr),
    destination: addressOf(network.dst_addr),
    agent: addressOf(plain.agent_ip),
    translatedSource: addressOf(xlat.src_addr),
    translatedDestination: addressOf(xlat.dst_addr),
    passages: passages.length || !plain.interface ? passages : [{ name: plain.interface, isEgress: plain.direction === 1 }],
    denied: (plain.network_events_metadata as { events: Record<string, string> }[]).map(
      ({ events }) => events.Feature === 'acl' && ['drop', 'reject'].includes(events.Action),
    ),
  }
}

function found(read: FlowRecord) {
  const address = (place: number) => readAddress(read.addresses, place * 16)
  const { isEgress: _, versions: __, words: ___, addresses: ____, passages, events, ...plain } = read
  return {
    ...plain,
    ...Object.fromEntries(Object.entries(places).map(([name, place]) => [name, address(place)])),
    passages: passages.map(({ name, isEgress }) => ({ name, isEgress })),
    denied: events.map(({ isDenied }) => isDenied),
  }
}

const read = (into: FlowRecord, bytes: Buffer) => into.read(bytes, viewOf(bytes), 0, bytes.length)

test('any record is read as protobufjs reads it, whatever was read before', t => {
  const into = new FlowRecord(new Known(commonUplinks))
  fc.assert(
    fc.property(records, plain => {
      const bytes = encodeRecord(plain)
      read(into, bytes)
      t.deepEqual<unknown, unknown>(found(into), expected(decodeRecord(bytes)))
    }),
    { numRuns: 1000 },
  )
})

test('any record without events is read the same in whatever legal form it comes', t => {
  const into = new FlowRecord(new Known(commonUplinks))
  fc.assert(
    fc.property(records, choices, (plain, by) => {
      const bytes = scramble(recordType, encodeRecord({ ...plain, network_events_metadata: [] }), by)
      read(into, bytes)
      t.deepEqual<unknown, unknown>(found(into), expected(decodeRecord(bytes)))
    }),
    { numRuns: 1000 },
  )
})

test('records in a row are found where they are', t => {
  const bytes = encodeRecords([record(), record({ bytes: 7 }), record({ bytes: 9 })])
  const into = new FlowRecord(new Known([]))
  const sizes = []
  for (const { start, end } of entriesOf(bytes)) {
    into.read(bytes, viewOf(bytes), start, end)
    sizes.push(into.bytes)
  }
  t.deepEqual(sizes, [1500, 7, 9])
})

test('broken bytes throw nothing but the errors that are promised', t => {
  const into = new FlowRecord(new Known(commonUplinks))
  const attempt = (bytes: Buffer) => {
    try {
      read(into, bytes)
      for (const { start, end } of entriesOf(bytes)) into.read(bytes, viewOf(bytes), start, end)
    } catch (error) {
      t.true(error instanceof UndecodableError || error instanceof OverLimitError, String(error))
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => attempt(Buffer.from(bytes))),
    { numRuns: 2000 },
  )
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(records, changes, fc.nat(), (plain, changes, cut) => {
      const bytes = encodeRecord({ ...plain, bytes: 5 })
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      attempt(bytes)
      attempt(bytes.subarray(0, cut % (bytes.length + 1)))
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

const tooMuch: Record<string, Plain> = {
  'more interfaces than a node has': { dup_list: Array.from({ length: 100 }, () => ({ interface: 'eth0' })) },
  'an interface with a long name': { dup_list: [{ interface: 'x'.repeat(300) }] },
  'more events than a packet meets': { network_events_metadata: Array.from({ length: 100 }, () => ({ events: {} })) },
  'an event with a long text': { network_events_metadata: [{ events: { Name: 'x'.repeat(2000) } }] },
  'a long name in DNS': { dns_name: 'x'.repeat(2000) },
}
for (const [what, more] of Object.entries(tooMuch))
  test(`refused: ${what}`, t => {
    t.throws(() => read(new FlowRecord(new Known([])), encodeRecord(record(more))), { instanceOf: OverLimitError })
  })

test('interfaces that lead to other nodes are known by patterns', t => {
  const isUplink = uplinksBy(commonUplinks)
  for (const name of ['eth0', 'ens5', 'br-ex', 'genev_sys_6081', 'bond0.12', 'vxlan.calico']) t.true(isUplink(name), name)
  for (const name of ['eni1a2b3c', 'veth12', 'ovn-k8s-mp0', 'cali123', 'lxc1', 'lo', '']) t.false(isUplink(name), name)
  t.false(uplinksBy([])('eth0'))
  t.true(uplinksBy(['a.b'])('a.b'))
  t.false(uplinksBy(['a.b'])('axb'))
})
