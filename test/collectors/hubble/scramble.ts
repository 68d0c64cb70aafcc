import type protobuf from 'protobufjs'
import fc from 'fast-check'

/** Choices fast-check makes and can shrink. */
export interface Choices {
  /** A whole number from 0 to `below` - 1. */
  pick(below: number): number
}

export const choices = fc.array(fc.nat({ max: 1 << 30 }), { minLength: 1, maxLength: 64 }).map((numbers): Choices => {
  let at = 0
  return { pick: below => numbers[at++ % numbers.length] % below }
})

interface Segment {
  field: number
  type: number
  /** Of a varint its value, of other fields the bytes behind the tag. */
  value: bigint
  body: Buffer
}

function varint(value: bigint, padding = 0): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  for (let i = 0; i < padding && bytes.length < 10; i++) {
    bytes[bytes.length - 1] |= 128
    bytes.push(0)
  }
  return Buffer.from(bytes)
}

function segmentsOf(bytes: Buffer): Segment[] {
  const segments: Segment[] = []
  let at = 0
  const read = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const tag = Number(read())
    const segment = { field: tag >>> 3, type: tag & 7, value: 0n, body: Buffer.alloc(0) }
    if (segment.type === 0) segment.value = read()
    else {
      const length = segment.type === 2 ? Number(read()) : segment.type === 1 ? 8 : 4
      segment.body = Buffer.from(bytes.subarray(at, at + length))
      at += length
    }
    segments.push(segment)
  }
  return segments
}

const unknownFields: readonly Buffer[] = [
  Buffer.concat([varint((45n << 3n) | 0n), varint(2n ** 63n)]),
  Buffer.concat([varint((46n << 3n) | 2n), varint(3n), Buffer.from('abc')]),
  Buffer.concat([varint((777n << 3n) | 1n), Buffer.alloc(8, 7)]),
  Buffer.concat([varint((99_999n << 3n) | 5n), Buffer.alloc(4, 7)]),
  Buffer.concat([varint((888n << 3n) | 3n), varint((1n << 3n) | 0n), varint(5n), varint((888n << 3n) | 4n)]),
]

/** The same message in another legal form: other order, longer numbers, fields said twice, fields nobody knows. */
export function scramble(type: protobuf.Type, bytes: Uint8Array, by: Choices): Buffer {
  const segments = segmentsOf(Buffer.from(bytes))
  const parts: { field: number; bytes: Buffer }[] = []
  for (const { field: number, type: wire, value, body } of segments) {
    const field = type.fieldsById[number]
    const isMap = field?.map === true
    const inner = isMap ? undefined : field?.resolve().resolvedType
    const tag = varint(BigInt((number << 3) | wire), by.pick(8) === 0 ? 1 : 0)
    const isMessage = wire === 2 && inner && 'fieldsById' in inner
    const content = isMessage ? scramble(inner as protobuf.Type, body, by) : body
    const whole = (bytes: Buffer) => Buffer.concat([tag, varint(BigInt(bytes.length), by.pick(6) === 0 ? 2 : 0), bytes])
    if (wire === 0) {
      if (by.pick(5) === 0) parts.push({ field: number, bytes: Buffer.concat([tag, varint(BigInt(by.pick(300)))]) })
      parts.push({ field: number, bytes: Buffer.concat([tag, varint(value, by.pick(4))]) })
    } else if (wire === 2) {
      const isWhole = !isMap && !field?.repeated && !field?.partOf
      if (isWhole && isMessage && by.pick(24) === 0) parts.push({ field: number, bytes: whole(firstHalf(content)) })
      else if (isWhole && !isMessage && by.pick(8) === 0) parts.push({ field: number, bytes: whole(Buffer.from('before')) })
      parts.push({ field: number, bytes: whole(content) })
    } else parts.push({ field: number, bytes: Buffer.concat([tag, body]) })
  }
  return Buffer.concat(withUnknown(shuffled(parts, by), by))
}

/** Some of the fields of a message, which is a message too. */
function firstHalf(bytes: Buffer): Buffer {
  let at = 0
  let end = 0
  const read = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  while (at < bytes.length / 2) {
    const wire = read() & 7
    if (wire === 0) read()
    else if (wire === 2) {
      const length = read()
      at += length
    } else if (wire === 1) at += 8
    else if (wire === 5) at += 4
    else break
    end = at
  }
  return bytes.subarray(0, end)
}

/** In another order, in which those of one field keep theirs. */
function shuffled(parts: { field: number; bytes: Buffer }[], by: Choices): Buffer[] {
  const queues = new Map<number, Buffer[]>()
  for (const { field, bytes } of parts) queues.set(field, [...(queues.get(field) ?? []), bytes])
  if (by.pick(3) === 0) return parts.map(({ bytes }) => bytes)
  const result: Buffer[] = []
  while (queues.size) {
    const keys = [...queues.keys()]
    const key = keys[by.pick(keys.length)]
    const queue = queues.get(key)!
    result.push(queue.shift()!)
    if (!queue.length) queues.delete(key)
  }
  return result
}

function withUnknown(parts: Buffer[], by: Choices): Buffer[] {
  return parts.flatMap(part => (by.pick(10) === 0 ? [unknownFields[by.pick(unknownFields.length)], part] : [part]))
}
