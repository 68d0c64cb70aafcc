// The source as a process of its own, for otelcol.ts: receives, makes blocks or messages for the bus of them, and forgets them.
import { otlp } from '../../collectors/otlp/source.ts'
import type { Outbox } from '../../collectors/outbox.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { blockMessage } from '../../runtime/block/message.ts'
import { openLog } from '../../runtime/log.ts'
import { type KindName, kinds } from '../../schema/record.ts'

const [port, made] = process.argv.slice(2)
const builders = new Map<KindName, BlockBuilder>()
let spans = 0
let sequence = 0

function block(kind: KindName): BlockBuilder {
  const builder = builders.get(kind) ?? new BlockBuilder(kinds[kind])
  builders.set(kind, builder)
  return builder
}

async function publish(isWanted: (builder: BlockBuilder) => boolean): Promise<void> {
  for (const [kind, builder] of builders) {
    if (!isWanted(builder)) continue
    if (kind === 'span') spans += builder.rows
    if (made === 'messages') await blockMessage(builder, { collector: 'benchmark', run: 0, sequence: sequence++ })
    else builder.encode()
    builder.reset()
  }
}

const outbox: Outbox = {
  block,
  from() {},
  silent() {},
  ready: () => publish(builder => builder.full),
  async durable() {},
  flush: () => publish(builder => builder.rows > 0),
  deadLetter() {},
  async *published() {},
}
const stop = new AbortController()
process.on('message', message => {
  if (message === 'count') process.send?.({ spans: spans + block('span').rows })
  if (message === 'stop') stop.abort()
})
await otlp.run(
  { grpc: { port: Number(port) }, http: { port: 0 } },
  {
    outbox,
    signal: stop.signal,
    log: openLog({ level: 'warn' }),
    instruments: { received() {}, sent() {}, discarded() {} },
    status: () => process.send?.('listening'),
  },
)
process.disconnect()
