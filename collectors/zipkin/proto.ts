import { addressBytes, readAddress } from '../../runtime/block/address.ts'
import { Cursor } from '../protobuf/cursor.ts'
import { type Endpoint, type ZipkinSpan, noEndpoint } from './span.ts'

const kinds = ['', 'CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER']
const mappedPrefix = Buffer.from('00000000000000000000ffff', 'hex')

/** Reads zipkin.proto3.ListOfSpans{spans 1}. Throws UndecodableError. */
export function readProto(body: Buffer): ZipkinSpan[] {
  const spans: ZipkinSpan[] = []
  eachField(body, 0, body.length, (tag, cursor) => {
    if (tag === 0x0a) spans.push(readSpan(body, cursor.start, cursor.end))
  })
  return spans
}

/** Span{trace_id 1, parent_id 2, id 3, kind 4, name 5, timestamp 6, duration 7, endpoints 8 and 9, annotations 10, tags 11, shared 13}. */
function readSpan(bytes: Buffer, start: number, end: number): ZipkinSpan {
  const tags: [string, string][] = []
  const annotations: { timestamp: number; value: string }[] = []
  const span = { ...emptySpan, tags, annotations }
  eachField(bytes, start, end, (tag, cursor, value) => {
    const { start: at, end: to } = cursor
    const hex = () => bytes.toString('hex', at, Math.min(to, at + 16))
    if (tag === 0x0a) span.traceId = hex()
    else if (tag === 0x12) span.parentId = hex()
    else if (tag === 0x1a) span.id = hex()
    else if (tag === 0x20) span.kind = kinds[value] ?? ''
    else if (tag === 0x2a) span.name = bytes.toString('utf8', at, to)
    else if (tag === 0x31) span.timestamp = fixedAt(bytes, cursor.at)
    else if (tag === 0x38) span.duration = value
    else if (tag === 0x42) span.localEndpoint = readEndpoint(bytes, at, to)
    else if (tag === 0x4a) span.remoteEndpoint = readEndpoint(bytes, at, to)
    else if (tag === 0x52) annotations.push(readAnnotation(bytes, at, to))
    else if (tag === 0x5a) tags.push(readTag(bytes, at, to))
    else if (tag === 0x68) span.shared = value !== 0
  })
  return span
}

const emptySpan: ZipkinSpan = {
  traceId: '',
  id: '',
  parentId: '',
  name: '',
  kind: '',
  timestamp: 0,
  duration: 0,
  shared: false,
  localEndpoint: noEndpoint,
  remoteEndpoint: noEndpoint,
  tags: [],
  annotations: [],
}

/** Endpoint{service_name 1, ipv4 2, ipv6 3, port 4}. */
function readEndpoint(bytes: Buffer, start: number, end: number): Endpoint {
  const endpoint = { ...noEndpoint }
  eachField(bytes, start, end, (tag, { start: at, end: to }, value) => {
    if (tag === 0x0a) endpoint.serviceName = bytes.toString('utf8', at, to)
    else if (tag === 0x12 && to - at === 4) endpoint.ipv4 = readAddress(Buffer.concat([mappedPrefix, bytes.subarray(at, to)]), 0)
    else if (tag === 0x1a && to - at === addressBytes) endpoint.ipv6 = readAddress(bytes, at)
    else if (tag === 0x20) endpoint.port = value & 0xffff
  })
  return endpoint
}

/** Annotation{timestamp 1, value 2}. */
function readAnnotation(bytes: Buffer, start: number, end: number): { timestamp: number; value: string } {
  const annotation = { timestamp: 0, value: '' }
  eachField(bytes, start, end, (tag, cursor) => {
    if (tag === 0x09) annotation.timestamp = fixedAt(bytes, cursor.at)
    else if (tag === 0x12) annotation.value = bytes.toString('utf8', cursor.start, cursor.end)
  })
  return annotation
}

/** An entry of a map: key 1, value 2. */
function readTag(bytes: Buffer, start: number, end: number): [string, string] {
  const tag: [string, string] = ['', '']
  eachField(bytes, start, end, (field, cursor) => {
    if (field === 0x0a || field === 0x12) tag[(field >>> 3) - 1] = bytes.toString('utf8', cursor.start, cursor.end)
  })
  return tag
}

/** Calls back behind each field; of a varint with its value. */
function eachField(bytes: Buffer, start: number, end: number, found: (tag: number, cursor: Cursor, value: number) => void): void {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  while (cursor.at < end) {
    const tag = cursor.tag()
    if ((tag & 7) === 0) {
      const low = cursor.varint()
      found(tag, cursor, Math.min(Number.MAX_SAFE_INTEGER, cursor.high * 4294967296 + low))
    } else {
      cursor.skip(tag)
      found(tag, cursor, 0)
    }
  }
  cursor.close(end)
}

const fixedAt = (bytes: Buffer, after: number) =>
  Math.min(Number.MAX_SAFE_INTEGER, bytes.readUInt32LE(after - 4) * 4294967296 + bytes.readUInt32LE(after - 8))
