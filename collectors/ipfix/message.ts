import { UndecodableError } from '../protobuf/cursor.ts'
import { isZero, uint16, uint32 } from './wire.ts'

/** The head of a datagram of NetFlow or IPFIX. Times in milliseconds. */
export interface Head {
  version: 5 | 9 | 10
  /** Where sets, or the records of version 5, begin and end. */
  start: number
  end: number
  exported: number
  /** NaN where the protocol does not say it. */
  uptime: number
  sequence: number
  domain: number
  /** Records by the head of version 5, one packet in so many looked at by it. */
  count: number
  sampling: number
}

const recordLength5 = 48

/** Reads the head and checks the lengths of all sets. Throws UndecodableError. */
export function readHead(bytes: Uint8Array): Head {
  const version = bytes.length >= 16 ? uint16(bytes, 0) : 0
  if (version === 5) return readHead5(bytes)
  const head = version === 9 ? readHead9(bytes) : version === 10 ? readHead10(bytes) : undefined
  if (!head) throw new UndecodableError(`no NetFlow 5 or 9, IPFIX or sFlow 5 but version ${version}`, 0)
  checkSets(bytes, head)
  return head
}

function readHead5(bytes: Uint8Array): Head {
  const count = uint16(bytes, 2)
  const end = 24 + count * recordLength5
  if (count === 0 || end > bytes.length) throw new UndecodableError(`${count} records do not fit into ${bytes.length} bytes`, 2)
  const sampling = uint16(bytes, 22) & 0x3fff
  return {
    version: 5,
    start: 24,
    end,
    exported: uint32(bytes, 8) * 1000 + uint32(bytes, 12) / 1e6,
    uptime: uint32(bytes, 4),
    sequence: uint32(bytes, 16),
    domain: uint16(bytes, 20),
    count,
    sampling,
  }
}

function readHead9(bytes: Uint8Array): Head {
  if (bytes.length < 20) throw new UndecodableError('a head ends early', bytes.length)
  return {
    version: 9,
    start: 20,
    end: bytes.length,
    exported: uint32(bytes, 8) * 1000,
    uptime: uint32(bytes, 4),
    sequence: uint32(bytes, 12),
    domain: uint32(bytes, 16),
    count: uint16(bytes, 2),
    sampling: 0,
  }
}

function readHead10(bytes: Uint8Array): Head {
  const end = uint16(bytes, 2)
  if (end < 16 || end > bytes.length) throw new UndecodableError(`a message of ${end} bytes in ${bytes.length}`, 2)
  return {
    version: 10,
    start: 16,
    end,
    exported: uint32(bytes, 4) * 1000,
    uptime: NaN,
    sequence: uint32(bytes, 8),
    domain: uint32(bytes, 12),
    count: 0,
    sampling: 0,
  }
}

/** Sets follow one another to the end; what is left may be zeros. */
function checkSets(bytes: Uint8Array, head: Head): void {
  let at = head.start
  while (at + 4 <= head.end) {
    const length = uint16(bytes, at + 2)
    if (length === 0 && isZero(bytes, at, head.end)) break
    if (length < 4 || at + length > head.end) throw new UndecodableError(`a set of ${length} bytes`, at)
    at += length
  }
  if (!isZero(bytes, at, head.end)) throw new UndecodableError('bytes after the last set', at)
  head.end = at
}
