/** Writes datagrams as exporters do; for tests. */

export interface FieldSpec {
  id: number
  length: number
  enterprise?: number
}

export const uint16 = (value: number) => Buffer.from([(value >> 8) & 255, value & 255])

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** A number in so many bytes, 8 at the most. */
export function number(value: number | bigint, length: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)))
  return bytes.subarray(8 - length)
}

export const ipv4 = (address: string) => Buffer.from(address.split('.').map(Number))

/** The length in front of a field of variable length; `long` is the form of three bytes. */
export const variableLength = (bytes: Buffer, long = bytes.length > 254) =>
  Buffer.concat([long ? Buffer.concat([Buffer.from([255]), uint16(bytes.length)]) : Buffer.from([bytes.length]), bytes])

export function set(id: number, body: Buffer, padding = 0): Buffer {
  const bytes = Buffer.concat([body, Buffer.alloc(padding)])
  return Buffer.concat([uint16(id), uint16(bytes.length + 4), bytes])
}

const ipfixField = ({ id, length, enterprise }: FieldSpec) =>
  Buffer.concat([uint16(enterprise ? id | 0x8000 : id), uint16(length), enterprise ? uint32(enterprise) : Buffer.alloc(0)])
const netflowField = ({ id, length }: FieldSpec) => Buffer.concat([uint16(id), uint16(length)])

export const ipfixTemplate = (id: number, fields: readonly FieldSpec[]) =>
  set(2, Buffer.concat([uint16(id), uint16(fields.length), ...fields.map(ipfixField)]))

export const ipfixOptionsTemplate = (id: number, scopes: readonly FieldSpec[], options: readonly FieldSpec[]) =>
  set(
    3,
    Buffer.concat([uint16(id), uint16(scopes.length + options.length), uint16(scopes.length), ...[...scopes, ...options].map(ipfixField)]),
  )

export const netflowTemplate = (id: number, fields: readonly FieldSpec[]) =>
  set(0, Buffer.concat([uint16(id), uint16(fields.length), ...fields.map(netflowField)]))

export const netflowOptionsTemplate = (id: number, scopes: readonly FieldSpec[], options: readonly FieldSpec[]) =>
  set(1, Buffer.concat([uint16(id), uint16(scopes.length * 4), uint16(options.length * 4), ...[...scopes, ...options].map(netflowField)]))

export interface MessageSpec {
  sequence?: number
  domain?: number
  /** Seconds. */
  exported?: number
  /** Milliseconds. */
  uptime?: number
}

/** When messages are sent unless they say otherwise, in seconds. */
export const exportedAt = 1_700_000_000

export function ipfix(sets: readonly Buffer[], { sequence = 0, domain = 0, exported = exportedAt }: MessageSpec = {}): Buffer {
  const body = Buffer.concat(sets)
  return Buffer.concat([uint16(10), uint16(body.length + 16), uint32(exported), uint32(sequence), uint32(domain), body])
}

export function netflow9(
  sets: readonly Buffer[],
  { sequence = 0, domain = 0, exported = exportedAt, uptime = 100_000, count = sets.length }: MessageSpec & { count?: number } = {},
): Buffer {
  return Buffer.concat([uint16(9), uint16(count), uint32(uptime), uint32(exported), uint32(sequence), uint32(domain), ...sets])
}

export interface Record5 {
  src: string
  dst: string
  srcPort?: number
  dstPort?: number
  protocol?: number
  bytes?: number
  packets?: number
  first?: number
  last?: number
  flags?: number
}

export function netflow5(
  records: readonly Record5[],
  { sequence = 0, exported = exportedAt, uptime = 100_000, sampling = 0 }: MessageSpec & { sampling?: number } = {},
): Buffer {
  const head = [
    uint16(5),
    uint16(records.length),
    uint32(uptime),
    uint32(exported),
    uint32(0),
    uint32(sequence),
    uint16(0),
    uint16(sampling),
  ]
  return Buffer.concat([...head, ...records.map(record5)])
}

function record5({
  src,
  dst,
  srcPort = 0,
  dstPort = 0,
  protocol = 6,
  bytes = 0,
  packets = 0,
  first = 0,
  last = 0,
  flags = 0,
}: Record5): Buffer {
  const times = [uint32(packets), uint32(bytes), uint32(first), uint32(last)]
  const rest = [
    uint16(srcPort),
    uint16(dstPort),
    Buffer.from([0, flags, protocol, 0]),
    uint16(0),
    uint16(0),
    Buffer.from([24, 24]),
    uint16(0),
  ]
  return Buffer.concat([ipv4(src), ipv4(dst), ipv4('0.0.0.0'), uint16(1), uint16(2), ...times, ...rest])
}

/** sFlow writes everything in words. */
const opaque = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
export const xdr = (type: number, body: Buffer) => Buffer.concat([uint32(type), uint32(body.length), opaque(body)])

export function sflow(
  samples: readonly Buffer[],
  { sequence = 1, agent = '192.0.2.7', uptime = 100_000 }: { sequence?: number; agent?: string; uptime?: number } = {},
): Buffer {
  const head = [uint32(5), uint32(1), ipv4(agent), uint32(0), uint32(sequence), uint32(uptime), uint32(samples.length)]
  return Buffer.concat([...head, ...samples])
}

export interface SampleSpec {
  sequence?: number
  rate?: number
  drops?: number
  input?: number
  output?: number
}

export function flowSample(
  records: readonly Buffer[],
  { sequence = 1, rate = 1, drops = 0, input = 1, output = 2 }: SampleSpec = {},
): Buffer {
  const head = [sequence, 1, rate, 0, drops, input, output, records.length].map(uint32)
  return xdr(1, Buffer.concat([...head, ...records]))
}

export function expandedSample(
  records: readonly Buffer[],
  { sequence = 1, rate = 1, drops = 0, input = 1, output = 2 }: SampleSpec = {},
): Buffer {
  const head = [sequence, 0, 1, rate, 0, drops, 0, input, 0, output, records.length].map(uint32)
  return xdr(3, Buffer.concat([...head, ...records]))
}

/** A sampled header; `protocol` 1 is Ethernet. */
export const rawHeader = (header: Buffer, frameLength: number, protocol = 1) =>
  xdr(1, Buffer.concat([uint32(protocol), uint32(frameLength), uint32(0), uint32(header.length), opaque(header)]))
