// The source as a process of its own, for ipfix-peer.ts: receives, makes messages for the bus of full blocks, and forgets them.
import { flowExport } from '../../collectors/ipfix/source.ts'
import type { Outbox } from '../../collectors/outbox.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { blockMessage } from '../../runtime/block/message.ts'
import { openLog } from '../../runtime/log.ts'
import { type KindName, kinds } from '../../schema/record.ts'

const builders = new Map<KindName, BlockBuilder>()
let flows = 0
let sequence = 0

function block(kind: KindName): BlockBuilder {
  const builder = builders.get(kind) ?? new BlockBuilder(kinds[kind])
  builders.set(kind, builder)
  return builder
}

const outbox: Outbox = {
  block,
  from() {},
  silent() {},
  async ready() {
    for (const [kind, builder] of builders) {
      if (!builder.full) continue
      const { rows } = builder
      await blockMessage(builder, { collector: 'benchmark', run: 0, sequence: sequence++ })
      builder.reset()
      if (kind === 'flow') flows += rows
    }
  },
  async durable() {},
  async flush() {},
  deadLetter() {},
  async *published() {},
}
const stop = new AbortController()
process.on('message', message => {
  if (message === 'count') process.send?.({ flows: flows + block('flow').rows })
  if (message === 'stop') stop.abort()
})
const log = openLog({ level: 'warn' })
let told = false
await flowExport.run(
  { netflow: false, sflow: false, ipfix: { port: Number(process.argv[2]) } },
  {
    outbox,
    signal: stop.signal,
    log,
    instruments: { received() {}, sent() {}, discarded() {} },
    status() {
      if (!told) process.send?.('listening')
      told = true
    },
  },
)
process.disconnect()
