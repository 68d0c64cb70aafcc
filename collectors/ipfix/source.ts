import { Worker } from 'node:worker_threads'
import type { Source, SourceContext } from '../source.ts'
import { Decoder } from './decoder.ts'
import { Intake } from './intake.ts'
import { KernelDrops } from './kernel-drops.ts'
import { type FlowExportOptions, type ListenerOptions, defaults, optionsSchema } from './options.ts'
import type { Listener, Listening, ReceiverData, ReceiverMessage } from './receiver.ts'
import { RingReader, openRing } from './ring.ts'
import { listenTcp } from './tcp.ts'
import type { Protocol } from './session.ts'

const pollMs = 5000

/** NetFlow 5 and 9, IPFIX and sFlow 5 of routers, switches, hypervisors and probes. */
export const flowExport: Source<FlowExportOptions> = {
  name: 'flow_export',
  about: 'NetFlow 5 and 9, IPFIX and sFlow 5 of routers, switches, hypervisors and probes.',
  options: optionsSchema,
  run: collect,
}

async function collect(options: FlowExportOptions, context: SourceContext): Promise<void> {
  const { signal } = context
  const decoder = decoderOf(options, context)
  const ring = openRing(powerOfTwo(options.queue_bytes ?? defaults.queueBytes))
  const intake = new Intake(new RingReader(ring), decoder)
  await using receiver = startReceiver({ ring, listeners: listenersOf(options) }, intake)
  const listening = await receiver.listening
  await using tcp = options.ipfix && options.ipfix.tcp ? await openTcp(options.ipfix, intake) : undefined
  tellBuffers(listening, context)
  const drops = new KernelDrops(listening)
  const poll = async () => {
    for (const loss of await drops.poll()) decoder.losses.add(loss)
    context.status({ ready: true, detail: { listening: listening.map(nameOf), exporters: decoder.exporters } })
  }
  const wake = () => intake.wake()
  signal.addEventListener('abort', wake, { once: true })
  for (let polled = 0; !signal.aborted;) {
    if (Date.now() - polled >= pollMs) {
      await poll()
      polled = Date.now()
    }
    await intake.round()
    if (receiver.failure) throw receiver.failure
  }
  await poll()
  await tcp?.[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
  await intake.finish()
}

function decoderOf(options: FlowExportOptions, { outbox, instruments }: SourceContext): Decoder {
  return new Decoder({
    since: Date.now() * 1000,
    outbox,
    instruments,
    cluster: options.cluster ?? '',
    exporters: options.exporters ?? {},
    limits: {
      exporters: options.max_exporters ?? defaults.maxExporters,
      templates: options.max_templates ?? defaults.maxTemplates,
      fields: options.max_template_fields ?? defaults.maxTemplateFields,
      allFields: defaults.allTemplateFields,
      templateSeconds: options.template_seconds ?? defaults.templateSeconds,
    },
    hold: {
      maxBytes: options.hold_bytes ?? defaults.holdBytes,
      maxMs: (options.hold_seconds ?? defaults.holdSeconds) * 1000,
    },
  })
}

function listenersOf(options: FlowExportOptions): Listener[] {
  const listeners = { netflow: options.netflow ?? {}, ipfix: options.ipfix ?? {}, sflow: options.sflow ?? {} }
  return Object.entries(listeners).flatMap(([name, listener]) =>
    listener === false
      ? []
      : [
          {
            name: name as Protocol,
            host: listener.host ?? defaults.host,
            port: listener.port ?? defaults.ports[name as Protocol],
            receiveBuffer: options.receive_buffer_bytes ?? defaults.receiveBufferBytes,
          },
        ],
  )
}

const powerOfTwo = (bytes: number) => 2 ** Math.ceil(Math.log2(bytes))
const nameOf = ({ name, host, port }: Listening) => `${name} ${host}:${port}`

/** The thread that receives. `listening` rejects when a port cannot be had; `failure` is why it ended later. */
function startReceiver(workerData: ReceiverData, intake: Intake) {
  const worker = new Worker(new URL('receiver.ts', import.meta.url), { workerData })
  const { promise, resolve, reject } = Promise.withResolvers<Listening[]>()
  promise.catch(() => {})
  const receiver = {
    listening: promise,
    failure: undefined as Error | undefined,
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  }
  worker.on('error', error => {
    receiver.failure = new Error('the thread that receives datagrams ended', { cause: error })
    reject(receiver.failure)
    intake.wake()
  })
  worker.on('message', (message: ReceiverMessage) => {
    if (message === 'datagrams') intake.wake()
    else if ('listening' in message) resolve(message.listening)
    else reject(new Error(`cannot listen on ${message.failed.host}:${message.failed.port}`, { cause: message.error }))
  })
  return receiver
}

const openTcp = ({ host = defaults.host, port = defaults.ports.ipfix }: ListenerOptions, intake: Intake) =>
  listenTcp({ host, port, take: message => intake.take(message) })

function tellBuffers(listening: readonly Listening[], { log }: SourceContext): void {
  for (const { name, host, port, receiveBuffer, keptBytes } of listening) {
    const what = { name, host, port, asked: receiveBuffer, got: keptBytes }
    if (keptBytes < receiveBuffer) log.warn(what, 'the kernel keeps less than it was asked to: raise net.core.rmem_max')
    else log.info(what, 'listening')
  }
}
