import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Connections } from '../../collectors/envoy/connections.ts'
import { Decoder } from '../../collectors/envoy/decoder.ts'
import type { EnvoyNode } from '../../collectors/envoy/node.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { kinds } from '../../schema/record.ts'
import { introducedBy } from '../collectors/envoy/decoding.ts'
import type { HttpEntry, LogMessage, TcpEntry } from '../collectors/envoy/plain.ts'
import { messageType, recordedStreams } from '../collectors/envoy/recordings.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    repeat: { type: 'string', default: '120' },
    entries: { type: 'string', default: '14' },
    kind: { type: 'string', default: 'all' },
  },
})
const perMessage = Number(values.entries)
const names = ['HTTP of the server', 'HTTP of the client', 'TCP of the client', 'TCP of the server']
const type = await messageType()

interface Load {
  node: EnvoyNode
  messages: Buffer[]
  entries: number
}

/** The entries of a stream again and again, each time with other ids and times, so many a message. */
function loadOf(stream: readonly Buffer[], isBare: boolean): Load {
  const recorded = stream.map(message => type.toObject(type.decode(message), { longs: Number }) as LogMessage)
  const kind = recorded[0].httpLogs ? 'httpLogs' : 'tcpLogs'
  const messages: Buffer[] = []
  let batch: unknown[] = []
  let entries = 0
  const send = () => {
    if (batch.length) messages.push(Buffer.from(type.encode(type.create({ [kind]: { logEntry: batch } })).finish()))
    batch = []
  }
  for (let round = 0; round < Number(values.repeat); round++) {
    const ids = new Map<string, string>()
    const renewed = (id: string) => ids.get(id) ?? (ids.set(id, randomUUID()), ids.get(id)!)
    for (const message of recorded)
      for (const entry of message[kind]?.logEntry ?? []) {
        batch.push(changed(isBare ? bare(entry) : entry, round, renewed))
        entries++
        if (batch.length === perMessage) send()
      }
  }
  send()
  return { node: introducedBy(stream[0]), messages, entries }
}

/** An entry as loggers send it that were not asked for headers, tags and filter state. */
function bare(entry: HttpEntry & TcpEntry): HttpEntry & TcpEntry {
  const without = { requestHeaders: undefined, responseHeaders: undefined, responseTrailers: undefined }
  const common = { customTags: undefined, filterStateObjects: undefined }
  return {
    ...entry,
    commonProperties: { ...entry.commonProperties, ...common },
    ...(entry.request && { request: { ...entry.request, ...without } }),
    ...(entry.response && { response: { ...entry.response, ...without } }),
  }
}

function changed(entry: HttpEntry & TcpEntry, round: number, renewed: (id: string) => string) {
  const { startTime, streamId } = entry.commonProperties ?? {}
  const commonProperties = {
    ...entry.commonProperties,
    startTime: { seconds: (startTime?.seconds ?? 0) + round, nanos: ((startTime?.nanos ?? 0) + round * 1_000_003) % 1e9 },
    ...(streamId && { streamId: renewed(streamId) }),
  }
  if (!entry.request?.requestId) return { ...entry, commonProperties }
  const id = renewed(entry.request.requestId)
  if (!entry.request.requestHeaders) return { ...entry, commonProperties, request: { ...entry.request, requestId: id } }
  const traceparent = `00-${id.replaceAll('-', '')}-${id.replaceAll('-', '').slice(0, 16)}-01`
  const requestHeaders = { ...entry.request.requestHeaders, traceparent }
  return { ...entry, commonProperties, request: { ...entry.request, requestId: id, requestHeaders } }
}

const builders = { flow: new BlockBuilder(kinds.flow), request: new BlockBuilder(kinds.request) }
let encoded = 0

function encodeFull(always = false): void {
  for (const builder of [builders.flow, builders.request]) {
    if (!builder.full && !always) continue
    encoded += builder.encode().length
    builder.reset()
  }
}

const decoder = new Decoder(new Connections({ knownSince: 0 }))

/** Bytes to blocks, as the collector does. */
function decodeAll({ messages, node }: Load): void {
  for (const message of messages) {
    decoder.open(message, node, Date.now() * 1000)
    decoder.writeTo(builders.flow, builders.request)
    while (!decoder.read()) encodeFull()
  }
}

/** Bytes to objects and no further. */
function decodeReference({ messages }: Load): void {
  for (const message of messages) type.decode(message)
}

/** Entries a second of processor time. */
function measured(work: () => void, entries: number, seconds: number): number {
  work()
  const begin = process.cpuUsage()
  const end = performance.now() + seconds * 1000
  let passes = 0
  while (performance.now() < end) {
    work()
    passes++
  }
  const { user, system } = process.cpuUsage(begin)
  return (passes * entries * 1e6) / (user + system)
}

const streams = (await recordedStreams()).slice(0, 4)
const rounded = (number: number) => Math.round(number).toLocaleString('en')
for (const [i, stream] of streams.entries())
  for (const isBare of i < 2 ? [false, true] : [false]) {
    if (values.kind !== 'all' && values.kind !== String(i)) continue
    const load = loadOf(stream, isBare)
    const bytes = load.messages.reduce((sum, { length }) => sum + length, 0)
    const ours = measured(() => decodeAll(load), load.entries, Number(values.seconds))
    encodeFull(true)
    const theirs = measured(() => decodeReference(load), load.entries, Number(values.seconds) / 2)
    console.log(
      `${names[i]}${isBare ? ', without headers and tags' : ''}: ${load.entries} entries of ${Math.round(bytes / load.entries)} B`,
    )
    console.log(`  weir, bytes to blocks         ${rounded(ours)} entries/s`)
    console.log(`  protobufjs, bytes to objects  ${rounded(theirs)} entries/s`)
  }
console.log(`${rounded(encoded)} B encoded`)
