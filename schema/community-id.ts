/** Community ID v1 (https://github.com/corelight/community-id-spec) with seed 0, in ClickHouse's SQL, from the columns of a record. */

const numbers = { icmpv4: 1, igmp: 2, tcp: 6, udp: 17, icmpv6: 58, vrrp: 112, sctp: 132 }

/** ICMP types that ask and answer one another; they stand for ports. All others have type and code, and one direction. */
const icmpAnswers = { 0: 8, 8: 0, 9: 10, 10: 9, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17 }
const icmpv6Answers = {
  128: 129,
  129: 128,
  130: 131,
  131: 130,
  133: 134,
  134: 133,
  135: 136,
  136: 135,
  139: 140,
  140: 139,
  144: 145,
  145: 144,
}

const bigEndian16 = (number: string) => `char(bitShiftRight(${number}, 8), bitAnd(${number}, 255))`
const list = (values: readonly (string | number)[]) =>
  `[${values.map(value => (typeof value === 'number' ? value : `'${value}'`)).join(', ')}]`
const transform = (value: string, map: Record<string, number>, otherwise: string | number) =>
  `transform(${value}, ${list(Object.keys(map).map(key => (/^\d/.test(key) ? Number(key) : key)))}, ${list(Object.values(map))}, ${otherwise})`

/** The 16 bytes of an address, or the 4 of an IPv4 one. */
const packed = (address: string) =>
  `if(startsWith(IPv6NumToString(${address}), '::ffff:') AND position(IPv6NumToString(${address}), '.') > 0, ` +
  `substring(reinterpret(${address}, 'FixedString(16)'), 13, 4), toString(reinterpret(${address}, 'FixedString(16)')))`

const answer = `if(protocol = 'icmpv4', ${transform('icmp_type', icmpAnswers, -1)}, ${transform('icmp_type', icmpv6Answers, -1)})`
const icmp = `protocol IN ('icmpv4', 'icmpv6')`
const ported = `protocol IN ('tcp', 'udp', 'sctp')`

/** One end as the specification orders and hashes it. */
const end = (address: string, port: string) => `(${packed(address)}, ${port})`

const sourcePort = `multiIf(${icmp}, toUInt16(icmp_type), ${ported}, src_port, 0)`
const destinationPort = `multiIf(${icmp}, toUInt16(if(${answer} >= 0, ${answer}, icmp_code)), ${ported}, dst_port, 0)`
const oneWay = `(${icmp} AND ${answer} < 0)`

const source = end('src_address', sourcePort)
const destination = end('dst_address', destinationPort)
const forward = `(${oneWay} OR ${source} <= ${destination})`
const first = `if(${forward}, ${source}, ${destination})`
const second = `if(${forward}, ${destination}, ${source})`
const ports = `if(${icmp} OR ${ported}, concat(${bigEndian16(`${first}.2`)}, ${bigEndian16(`${second}.2`)}), '')`
const protocolNumber = transform('protocol', numbers, 0)

/** Of a flow: the base64 of the SHA-1 of both ends in an order that does not depend on the direction. */
export const communityId =
  `if(${protocolNumber} = 0, '', concat('1:', base64Encode(SHA1(concat(char(0, 0), ${first}.1, ${second}.1, ` +
  `char(${protocolNumber}, 0), ${ports})))))`

const unported = "src_port = 0 OR dst_port = 0 OR src_address = toIPv6('::') OR dst_address = toIPv6('::')"

/** Of what is carried over the transport protocol that the expression `transport` tells; empty where an end or its port is unknown. */
export function communityIdOver(transport: string): string {
  const [a, b] = [end('src_address', 'src_port'), end('dst_address', 'dst_port')]
  const [low, high] = [`least(${a}, ${b})`, `greatest(${a}, ${b})`]
  const number = transform(transport, { tcp: 6, udp: 17, sctp: 132 }, 0)
  const hashed = `char(0, 0), ${low}.1, ${high}.1, char(${number}, 0), ${bigEndian16(`${low}.2`)}, ${bigEndian16(`${high}.2`)}`
  return `if(${number} = 0 OR ${unported}, '', concat('1:', base64Encode(SHA1(concat(${hashed})))))`
}
