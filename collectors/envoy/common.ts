import { UndecodableError, bytesType } from '../protobuf/cursor.ts'
import { at } from './address.ts'
import type { Entry } from './entry.ts'
import { readPair } from './headers.ts'
import type { Reading } from './reading.ts'

const maxId = 256
const shortestPeer = 'upstream_peer'.length
const longestPeer = 'wasm.downstream_peer'.length

/** AccessLogCommon, from where the cursor is. */
export function readCommon(entry: Entry, reading: Reading, end: number): void {
  const { cursor } = reading
  while (cursor.at < end) {
    const tag = cursor.tag()
    if ((tag & 7) !== bytesType) {
      if (tag === 264) entry.type = cursor.varint()
      else if (tag === 192) entry.attempts = cursor.varint()
      else if (tag === 216) entry.intermediate = cursor.varint() !== 0
      else if (tag === 9) readSampleRate(entry, reading, end)
      else cursor.skip(tag)
      continue
    }
    cursor.span()
    const after = cursor.at
    readPart(entry, reading, tag >>> 3, cursor.start, after)
    cursor.at = after
  }
  cursor.close(end)
}

function readPart(entry: Entry, reading: Reading, field: number, start: number, end: number): void {
  const { bytes, view, parts } = reading
  switch (field) {
    case 2:
      return entry.addresses.read(at.downstream, bytes, view, start, end)
    case 3:
      return entry.addresses.read(at.local, bytes, view, start, end)
    case 4:
      entry.tls = reading.known(parts.tls, start, end)
      return
    case 5:
      entry.startTime = Math.floor(reading.nanos(start, end) / 1000)
      return
    case 7:
      entry.firstUpstreamTx = reading.nanos(start, end)
      return
    case 9:
      entry.firstUpstreamRx = reading.nanos(start, end)
      return
    case 12:
      entry.lastDownstreamTx = reading.nanos(start, end)
      return
    case 13:
      return entry.addresses.read(at.upstream, bytes, view, start, end)
    case 15:
      entry.cluster = reading.known(parts.clusters, start, reading.cut(start, end))
      return
    case 16:
      entry.flags = reading.known(parts.flags, start, end)
      return
    case 17:
      entry.rbac = reading.known(parts.metadata, start, end)
      return
    case 18:
      entry.upstreamFailure = reading.words(start, end)
      return
    case 19:
      entry.route = reading.words(start, end)
      return
    case 20:
      return entry.addresses.read(at.direct, bytes, view, start, end)
    case 21:
      return readState(entry, reading, start, end)
    case 22:
      return readPair(entry, reading, parts.tags, start, end)
    case 23:
      entry.duration = reading.nanos(start, end)
      return
    case 25:
      entry.termination = reading.details(start, end)
      return
    case 26:
      return reading.setSpan(entry.streamId, start, end, maxId)
    case 28:
      entry.downstreamFailure = reading.words(start, end)
      return
  }
}

/** The share of entries that are sent, which Envoy may tell one day. */
function readSampleRate(entry: Entry, { cursor, bytes }: Reading, end: number): void {
  if (cursor.at + 8 > end) throw new UndecodableError('the message ends within a number', end)
  const rate = bytes.readDoubleLE(cursor.at)
  cursor.at += 8
  entry.weight = rate > 0 && rate < 1 ? 1 / rate : 1
}

/** An entry of filter_state_objects: who the other end is, as it says itself. */
function readState(entry: Entry, reading: Reading, start: number, end: number): void {
  const { key, value } = reading.pair(start, end)
  const length = key.end - key.start
  if (length < shortestPeer || length > longestPeer || value.end === 0) return
  const name = reading.bytes.toString('latin1', key.start, key.end)
  const { peers } = reading.parts
  if (name === 'downstream_peer' || name === 'wasm.downstream_peer') entry.downstreamPeer = reading.known(peers, value.start, value.end)
  else if (name === 'upstream_peer' || name === 'wasm.upstream_peer') entry.upstreamPeer = reading.known(peers, value.start, value.end)
}
