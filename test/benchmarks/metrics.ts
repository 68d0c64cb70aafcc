import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { compress, uncompress } from 'snappyjs'
import { RemoteStore } from '../../collectors/prometheus/remote-series.ts'
import { uncompressSnappy } from '../../runtime/compression/snappy.ts'
import { TextFormat } from '../../collectors/prometheus/text.ts'
import { Request2Reader } from '../../collectors/prometheus/write-request-2.ts'
import { readWriteRequest } from '../../collectors/prometheus/write-request.ts'
import { requestType, writeRequestType } from '../collectors/prometheus/protos.ts'
import { exposition, samplesOfAll, writeRequests } from './exposition.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' } } })
const parseText = createRequire(import.meta.url)('parse-prometheus-text-format') as (text: string) => unknown[]

/** The best pass of those that fit into the time, in units a second of processor time: others may use the machine too. */
function rate(units: number, pass: () => void): number {
  const end = Date.now() + Number(values.seconds) * 1000
  let best = 0
  while (Date.now() < end) {
    const before = process.cpuUsage()
    pass()
    const { user, system } = process.cpuUsage(before)
    best = Math.max(best, units / ((user + system) / 1e6))
  }
  return best
}

const { text, lines } = exposition()
const format = new TextFormat([
  ['instance', '10.0.0.7:15020'],
  ['job', 'istio-proxy'],
])
const readText = () => void format.read(text, { openMetrics: false, time: 1e15 })
const readTextAnew = () => void new TextFormat([['instance', '10.0.0.7:15020']]).read(text, { openMetrics: false, time: 1e15 })
const peerText = () => void parseText(text.toString())

const maxBytes = 64 << 20
const bodies = { 1: bodiesOf(1), 2: bodiesOf(2) }

function bodiesOf(version: 1 | 2): Buffer[] {
  return writeRequests(version, 1_700_000_000_000).map(bytes => Buffer.from(compress(bytes)))
}

const stores = { 1: openStore(), 2: openStore() }
function openStore() {
  return new RemoteStore({ cluster: '', maxSeries: 1e6, waitMs: 10_000 })
}
const second = new Request2Reader(stores[2])
let now = 0

/** Bodies to points, each pass a scrape later. */
function write(version: 1 | 2): void {
  now += 15_000
  for (const body of bodies[version]) {
    const bytes = uncompressSnappy(body, maxBytes)
    const samples = version === 1 ? readWriteRequest(bytes, stores[1]) : second.read(bytes)
    samples.times.fill(now * 1000)
    stores[version].take(samples, now)
  }
  stores[version].sweep(now)
}

/** Bodies to objects only. */
function peerWrite(version: 1 | 2): void {
  for (const body of bodies[version]) (version === 1 ? writeRequestType : requestType).decode(uncompress(body))
}

const results: Record<string, number> = {
  'text, lines/s: a target that is known': rate(lines, readText),
  'text, lines/s: a target at first sight': rate(lines, readTextAnew),
  'text, lines/s: parse-prometheus-text-format, to objects': rate(lines, peerText),
  'remote write 1.0, samples/s: to points': rate(samplesOfAll, () => write(1)),
  'remote write 1.0, samples/s: protobufjs and snappyjs, to objects': rate(samplesOfAll, () => peerWrite(1)),
  'remote write 2.0, samples/s: to points': rate(samplesOfAll, () => write(2)),
  'remote write 2.0, samples/s: protobufjs and snappyjs, to objects': rate(samplesOfAll, () => peerWrite(2)),
}
console.log(`${lines} lines of ${(text.length / lines).toFixed(0)} bytes`)
for (const [what, value] of Object.entries(results))
  console.log(`${what.padEnd(66)} ${Math.round(value).toLocaleString('en').padStart(12)}`)
