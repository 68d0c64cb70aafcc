import { parseArgs } from 'node:util'
import { groupsOf, scopeName } from '../../collectors/otlp/groups.ts'
import { defaultLimits } from '../../collectors/otlp/options.ts'
import { Resources } from '../../collectors/otlp/resources.ts'
import { SpanMessage } from '../../collectors/otlp/span.ts'
import { SpanRows } from '../../collectors/otlp/span-rows.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { kinds } from '../../schema/record.ts'
import { TraceRequest } from '../collectors/otlp/proto.ts'
import { spanExports } from './otlp-exports.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '4' }, spans: { type: 'string', default: '40000' } } })
const { exports, spans, attributes } = spanExports(Number(values.spans))
const options = { limits: defaultLimits, cluster: 'bench', source: 'otlp' }
const builder = new BlockBuilder(kinds.span)
const span = new SpanMessage(defaultLimits)
const resources = new Resources(options)
const rows = new SpanRows(builder, options)
const received = Date.now() * 1000
let encoded = 0

function encode(): void {
  encoded += builder.encode().length
  builder.reset()
}

function decodeExport(bytes: Buffer): void {
  span.open(bytes)
  for (const group of groupsOf(bytes)) {
    const resource = resources.read(bytes, group)
    const scope = scopeName(bytes, group)
    for (let i = 0; i < group.items.length; i += 2) {
      if (builder.full) encode()
      span.read(group.items[i], group.items[i + 1], rows.begin(group.items[i + 1] - group.items[i]))
      rows.write(span, resource, scope, received)
    }
  }
}

/** Bytes to blocks, as the collector does. */
function decodeAll(): void {
  for (const bytes of exports) decodeExport(bytes)
  if (builder.rows) encode()
}

function referenceAll(): void {
  for (const bytes of exports) TraceRequest.decode(bytes)
}

/** Spans a second of processor time in the fastest pass, as others use the machine too; after a second to warm up. */
function measure(run: () => void, seconds: number): number {
  for (const until = performance.now() + 1000; performance.now() < until;) run()
  let fastest = Infinity
  for (const until = performance.now() + seconds * 1000; performance.now() < until;) {
    const start = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(start)
    fastest = Math.min(fastest, user + system)
  }
  return (spans / fastest) * 1e6
}

const bytes = exports.reduce((sum, { length }) => sum + length, 0)
const show = (rate: number) => Math.round(rate).toLocaleString('en')
console.log(`${spans} spans, ${(attributes / spans).toFixed(1)} attributes and ${Math.round(bytes / spans)} bytes a span`)
decodeAll()
console.log(`block: ${Math.round(encoded / spans)} bytes a span`)
console.log(`protobuf to blocks: ${show(measure(decodeAll, Number(values.seconds)))} spans/s of processor time`)
console.log(`protobufjs, decoding alone: ${show(measure(referenceAll, Number(values.seconds)))} spans/s of processor time`)
