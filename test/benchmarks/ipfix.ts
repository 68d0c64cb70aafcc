// Datagrams to encoded blocks, in one thread. node test/benchmarks/ipfix.ts [--seconds 4]
import { parseArgs } from 'node:util'
import { Decoder } from '../../collectors/ipfix/decoder.ts'
import type { Outbox } from '../../collectors/outbox.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { type KindName, kinds } from '../../schema/record.ts'
import { ipfixFeed, ipfixTemplate } from './ipfix-feed.ts'
import { forms } from './ipfix-forms.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '4' } } })
const builders = { flow: new BlockBuilder(kinds.flow), loss: new BlockBuilder(kinds.loss) }
const written = { rows: 0, bytes: 0 }

/** Blocks are encoded as for the bus, and not sent. */
const outbox: Outbox = {
  block: (kind: KindName) => (kind === 'loss' ? builders.loss : builders.flow),
  from() {},
  silent() {},
  async ready() {
    for (const builder of Object.values(builders)) {
      if (!builder.full) continue
      written.rows += builder.rows
      written.bytes += builder.encode().length
      builder.reset()
    }
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

/** Each has a decoder of its own, and a second and a half to become warm. */
async function measure(name: string, { declare, datagrams }: { declare?: Buffer; datagrams: readonly Buffer[] }): Promise<void> {
  const decoder = new Decoder({ since: 0, outbox, instruments, cluster: '', exporters: {}, limits, hold })
  const take = (bytes: Uint8Array) => decoder.take({ bytes, address: '192.0.2.1', process: 1, received: Date.now() * 1000 })
  const pass = async () => {
    for (let i = 0; i < 4000; i++) await take(datagrams[i % datagrams.length])
  }
  const passFor = async (seconds: number) => {
    for (const start = performance.now(); performance.now() - start < seconds * 1000;) await pass()
  }
  if (declare) await take(declare)
  await passFor(1.5)
  const [before, cpu] = [{ ...written }, process.cpuUsage()]
  await passFor(Number(values.seconds))
  const { user, system } = process.cpuUsage(cpu)
  const [rows, micros] = [written.rows - before.rows, user + system]
  const perSecond = Math.round((rows / micros) * 1e6).toLocaleString('en')
  const each = `${((micros * 1000) / rows).toFixed(0)} ns and ${((written.bytes - before.bytes) / rows).toFixed(0)} B each`
  console.log(`${name}: ${perSecond} flows/s of one core, ${each}`)
}

await measure('IPFIX of 19 fields', { declare: ipfixTemplate(), datagrams: ipfixFeed(4000) })
for (const [name, { declare, datagram }] of Object.entries(forms)) await measure(name, { declare, datagrams: [datagram] })
