import type { LabelColumn } from '../../runtime/block/columns.ts'
import type { WideColumn } from '../../runtime/block/number-columns.ts'
import { type FlowColumns, mapped, setWhole, writeWords } from './columns.ts'
import type { CopyName } from './elements.ts'
import type { Run } from './run.ts'
import { dropReason, firewallEvents, firewallReason } from './vocabulary.ts'
import { isZero, ntpMicros, text, uint, uint32 } from './wire.ts'

/** Reads a field of `count` records, `stride` bytes apart, into the rows from `row` on. */
export type Copy = (bytes: Uint8Array, at: number, length: number, stride: number, count: number, row: number) => void

const maxText = 256
/** The flags among the control bits, which may come with the length of the header above them (RFC 7125). */
const tcpFlagBits = 0x1ff

/** All the ways in which fields are read into the columns of a builder. */
export function makeCopies(columns: FlowColumns, run: Run): Record<CopyName, Copy> {
  const { addresses, labels, numbers, wides } = columns
  return {
    ...timeCopies(run),
    ...verdictCopies(columns),
    ...weightCopies(columns, run),
    srcAddress4: intoAddress4(addresses.src, mapped),
    srcAddress6: intoAddress6(addresses.src),
    dstAddress4: intoAddress4(addresses.dst, mapped),
    dstAddress6: intoAddress6(addresses.dst),
    nextHop4: intoAddress4(addresses.nextHop, 0),
    nextHop6: intoAddress6(addresses.nextHop),
    translated4: intoAddress4(addresses.translated, 0),
    translated6: intoAddress6(addresses.translated),
    srcPort: intoNumbers(numbers.srcPort),
    dstPort: intoNumbers(numbers.dstPort),
    protocol: perRecord((value, i) => void (run.protocol[i] = value)),
    tcpFlags: perRecord((value, _, row) => void (numbers.tcpFlags[row] = value & tcpFlagBits)),
    dscp: intoNumbers(numbers.dscp),
    tos: perRecord((value, _, row) => void (numbers.dscp[row] = (value & 255) >> 2)),
    bytes: intoWide(wides.bytes),
    packets: intoWide(wides.packets),
    droppedBytes: intoWide(wides.droppedBytes),
    droppedPackets: intoWide(wides.droppedPackets),
    input: intoInterface(labels.interface, run),
    output: intoInterface(labels.outInterface, run),
    inputName: intoTexts(labels.interface),
    vlan: intoNumbers(numbers.vlan),
    srcAs: intoNumbers(numbers.srcAs),
    dstAs: intoNumbers(numbers.dstAs),
    icmpTypeCode: perRecord((value, _, row) => {
      numbers.icmpType[row] = value >> 8
      numbers.icmpCode[row] = value & 255
    }),
    icmpType: intoNumbers(numbers.icmpType),
    icmpCode: intoNumbers(numbers.icmpCode),
    direction: perRecord((value, _, row) => columns.direction.set(row, value)),
    endReason: perRecord((value, _, row) => columns.endReason.set(row, value)),
    srcPod: intoTexts(labels.srcPod),
    srcNamespace: intoTexts(labels.srcNamespace),
    srcNode: intoTexts(labels.srcNode),
    dstPod: intoTexts(labels.dstPod),
    dstNamespace: intoTexts(labels.dstNamespace),
    dstNode: intoTexts(labels.dstNode),
  }
}

function timeCopies(run: Run) {
  const ofSeconds = (times: Float64Array) => perRecord((value, i) => void (times[i] = value * 1e6))
  const ofMillis = (times: Float64Array) => perRecord((value, i) => void (times[i] = value * 1000))
  const ofMicros = (times: Float64Array) => perRecord((value, i) => void (times[i] = value))
  const ofUptime = (times: Float64Array) => perRecord((value, i) => void (times[i] = run.ofUptime(value, i)))
  const ofDelta = (times: Float64Array) => perRecord((value, i) => void (times[i] = run.message.exported - value))
  return {
    uptimeBase: perRecord((value, i) => void (run.booted[i] = value)),
    startUptime: ofUptime(run.start),
    startSeconds: ofSeconds(run.start),
    startMillis: ofMillis(run.start),
    startNtp: intoNtp(run.start),
    startDelta: ofDelta(run.start),
    endUptime: ofUptime(run.end),
    endSeconds: ofSeconds(run.end),
    endMillis: ofMillis(run.end),
    endNtp: intoNtp(run.end),
    endDelta: ofDelta(run.end),
    durationMillis: ofMillis(run.duration),
    durationMicros: ofMicros(run.duration),
  }
}

function verdictCopies(columns: FlowColumns) {
  return {
    forwardingStatus: perRecord((value, _, row) => {
      const reason = dropReason(value & 255)
      if (reason) columns.setDropped(row, reason, 'drop')
    }),
    firewallEvent: perRecord((event, _, row) => {
      if (event === firewallEvents.created) columns.numbers.connections[row] = 1
      if (event === firewallEvents.denied) columns.setDropped(row, 'policy_denied', 'policy_verdict')
    }),
    firewallReason: perRecord((event, _, row) => {
      const reason = firewallReason(event)
      if (reason) columns.setDropped(row, reason, 'policy_verdict')
    }),
  }
}

function weightCopies({ numbers: { weight } }: FlowColumns, run: Run) {
  return {
    samplingInterval: perRecord((value, _, row) => {
      if (value > 0) weight[row] = value
    }),
    sampler: perRecord((value, _, row) => {
      weight[row] = run.message.session.sampling.ofSampler(value, weight[row])
    }),
    samplingInterface: perRecord((value, _, row) => {
      weight[row] = run.message.session.sampling.ofInterface(value) ?? weight[row]
    }),
  }
}

function perRecord(set: (value: number, i: number, row: number) => void): Copy {
  return (bytes, at, length, stride, count, row) => {
    for (let i = 0; i < count; i++, at += stride) set(uint(bytes, at, length), i, row + i)
  }
}

function intoInterface(column: LabelColumn, run: Run): Copy {
  return (bytes, at, length, stride, count, row) => {
    const { session } = run.message
    let last = -1
    let code = 0
    for (let i = 0; i < count; i++, at += stride) {
      const index = uint(bytes, at, length)
      if (index !== last) code = column.code(session.interfaceName((last = index)))
      column.codes[row + i] = code
    }
  }
}

function intoNumbers(values: Uint8Array | Uint16Array | Uint32Array | Float64Array): Copy {
  return (bytes, at, length, stride, count, row) => {
    for (let i = 0; i < count; i++, at += stride) values[row + i] = uint(bytes, at, length)
  }
}

function intoWide(column: WideColumn): Copy {
  return (bytes, at, length, stride, count, row) => {
    if (length === 8) for (let i = 0; i < count; i++, at += stride) column.setWords(row + i, uint32(bytes, at + 4), uint32(bytes, at))
    else for (let i = 0; i < count; i++, at += stride) setWhole(column, row + i, uint(bytes, at, length))
  }
}

function intoNtp(times: Float64Array): Copy {
  return (bytes, at, _, stride, count) => {
    for (let i = 0; i < count; i++, at += stride) times[i] = ntpMicros(bytes, at)
  }
}

/** Where a record has both forms of an address, that of IPv6 is read second, and counts unless it is zero. */
function intoAddress4(words: Uint32Array, zero: number): Copy {
  return (bytes, at, _, stride, count, row) => {
    for (let i = 0; i < count; i++, at += stride) writeWords(words, row + i, bytes, at, 4, zero)
  }
}

function intoAddress6(words: Uint32Array): Copy {
  return (bytes, at, _, stride, count, row) => {
    for (let i = 0; i < count; i++, at += stride) if (!isZero(bytes, at, at + 16)) writeWords(words, row + i, bytes, at, 16, 0)
  }
}

function intoTexts(column: LabelColumn): Copy {
  return (bytes, at, length, stride, count, row) => {
    for (let i = 0; i < count; i++, at += stride) column.codes[row + i] = column.code(text(bytes, at, Math.min(length, maxText)))
  }
}
