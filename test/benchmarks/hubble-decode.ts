import { parseArgs } from 'node:util'
import { Decoder, type Memory } from '../../collectors/hubble/decoder.ts'
import { Nodes } from '../../collectors/hubble/nodes.ts'
import { loadObserverProto } from '../../collectors/hubble/proto.ts'
import { Remembered } from '../../collectors/hubble/remember.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { kinds } from '../../schema/record.ts'
import { hubbleFeed } from './hubble-feed.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '4' }, late: { type: 'string', default: '0' }, pods: { type: 'string', default: '2000' } },
})
const feed = hubbleFeed({ pods: Number(values.pods) })
const chunk = Buffer.concat(feed)
const nodes = new Nodes()
const builders = { flow: new BlockBuilder(kinds.flow), request: new BlockBuilder(kinds.request) }
let encoded = 0

function encodeFull(always = false): void {
  for (const builder of [builders.flow, builders.request]) {
    if (!builder.full && !always) continue
    encoded += builder.encode().length
    builder.reset()
  }
}

/** Of the messages, apart from the messages: to look into 40,000 objects for them would be measured too. */
const lengths = Int32Array.from(feed, message => message.length)
const passMicros = 3600e6
let pass = 0

/** One memory for all passes, as in a collector that has run for long; each pass brings other ids, of a later hour. */
function memoryOf(): Memory {
  const memory = new Remembered()
  const late = Number(values.late) / 100
  let owed = 0
  /** The given share of flows comes a second late. */
  const delay = () => {
    owed += late
    if (owed < 1) return 0
    owed--
    return 1e6
  }
  const add = (low: number, high: number, time: number) => memory.add(low, high ^ pass, time + pass * passMicros - delay())
  return { horizon: -Infinity, add, has: () => false }
}

const decoder = new Decoder({ nodes, memory: { flow: memoryOf(), request: memoryOf() } })

/** Bytes to blocks, as the collector does. */
function decodeAll(): void {
  pass++
  let at = 0
  decoder.writeTo(builders.flow, builders.request)
  for (const length of lengths) {
    decodeOne(at, length)
    at += length
  }
  encodeFull(true)
}

/** Apart from the loop, which the engine gives up to compile anew at the end of each pass. */
function decodeOne(at: number, length: number): void {
  decoder.decode(chunk, at, at + length, 1e15)
  if (!decoder.full) return
  encodeFull()
  decoder.writeTo(builders.flow, builders.request)
}

const type = loadObserverProto().lookupType('observer.GetFlowsResponse')

/** Bytes to objects only. */
function protobufjsAll(): void {
  let at = 0
  for (const length of lengths) {
    type.decode(chunk.subarray(at, at + length))
    at += length
  }
}

/** The best pass of those that fit into the time, in flows a second of processor time: others may use the machine too. */
function rate(pass: () => void, seconds: number): number {
  pass()
  let best = Infinity
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    const start = process.cpuUsage()
    pass()
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, user + system)
  }
  return (feed.length / best) * 1e6
}

const ours = rate(decodeAll, Number(values.seconds))
const theirs = rate(protobufjsAll, Number(values.seconds))
const perSecond = (value: number) => `${Math.round(value / 1000).toLocaleString('en')} k flows/s`
console.log(`${feed.length} flows of ${Math.round(chunk.length / feed.length)} bytes, ${encoded} bytes of blocks`)
console.log(
  `bytes to Native blocks: ${perSecond(ours)}; protobufjs, bytes to objects: ${perSecond(theirs)}; ratio ${(ours / theirs).toFixed(1)}`,
)
