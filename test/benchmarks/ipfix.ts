import { parseArgs } from 'node:util'
import { Decoder } from '../../collectors/ipfix/decoder.ts'
import type { Outbox } from '../../collectors/outbox.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { kinds } from '../../schema/record.ts'
import { ipfixFeed, ipfixTemplate, recordsPerDatagram } from './ipfix-feed.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' } } })
const feed = ipfixFeed(4000)
const builder = new BlockBuilder(kinds.flow)
let encoded = 0

/** Blocks are encoded as for the bus, and not sent. */
const outbox: Outbox = {
  block: () => builder,
  from() {},
  silent() {},
  async ready() {
    encoded += builder.encode().length
    builder.reset()
  },
  async durable() {},
  async flush() {},
  deadLetter: ({ reason }) => {
    throw new Error(reason)
  },
  async *published() {},
}
const instruments = { received() {}, sent() {}, discarded() {} }
const limits = { exporters: 64, templates: 64, fields: 64, allFields: 10_000, templateSeconds: 86_400 }
const hold = { maxBytes: 1 << 20, maxMs: 60_000 }
const decoder = new Decoder({ outbox, instruments, cluster: '', exporters: {}, limits, hold })
const take = (bytes: Uint8Array) => decoder.take({ bytes, address: '192.0.2.1', process: 1, received: Date.now() * 1000 })

async function pass(): Promise<void> {
  for (const bytes of feed) await take(bytes)
}

await take(ipfixTemplate())
for (let warm = 0; warm < 5; warm++) await pass()
encoded = 0
const cpu = process.cpuUsage()
const start = performance.now()
let flows = 0
while (performance.now() - start < Number(values.seconds) * 1000) {
  await pass()
  flows += feed.length * recordsPerDatagram
}
const { user, system } = process.cpuUsage(cpu)
const seconds = (user + system) / 1e6
console.log(`datagrams to encoded blocks: ${Math.round(flows / seconds).toLocaleString('en')} flows/s of one core`)
console.log(
  `${((seconds / flows) * 1e9).toFixed(0)} ns and ${(encoded / flows).toFixed(0)} B a flow, ${recordsPerDatagram} flows a datagram`,
)
