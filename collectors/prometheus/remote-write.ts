import { setTimeout as sleep } from 'node:timers/promises'
import { untilAborted } from '../../runtime/service.ts'
import { type Answer, type Posted, listenHttp } from '../listen/http.ts'
import { type ListenOptions, listenProperties } from '../listen/options.ts'
import { CompressionError } from '../../runtime/compression/error.ts'
import { uncompressSnappy } from '../../runtime/compression/snappy.ts'
import { BodyError, tooLarge } from '../listen/decompress.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import { openSamples } from '../samples/intake.ts'
import { type SamplesOptions, samplesProperties } from '../samples/options.ts'
import type { PointTaker } from '../samples/point.ts'
import type { Source, SourceContext } from '../source.ts'
import { type Outcome } from './gathering.ts'
import { RemoteStore, type Samples } from './remote-series.ts'
import { type OpenTaker, handOn } from './taker.ts'
import { Request2Reader } from './write-request-2.ts'
import { readWriteRequest } from './write-request.ts'

export interface RemoteWriteOptions extends ListenOptions, SamplesOptions {
  path?: string
  cluster?: string
  max_written_series?: number
  /** Seconds. */
  gather?: number
}

const name = 'remote_write'
const defaultPort = 9201
const defaultMaxBytes = 32 << 20
const sweepEveryMs = 500
const tellEveryMs = 10_000
/** What Prometheus waits for an answer is 30 s. */
const [readyWithinMs, durableWithinMs] = [5000, 20_000]
const messages = ['prometheus.WriteRequest', 'io.prometheus.write.v2.Request'] as const
type Message = (typeof messages)[number]

/** Metrics that Prometheus, or whatever speaks its remote write, sends. */
export const remoteWriteSource = (openTaker: OpenTaker): Source<RemoteWriteOptions> => ({
  name,
  about: 'Metrics that Prometheus, or an agent that speaks its remote write 1.0 or 2.0, sends.',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      ...listenProperties(defaultPort, defaultMaxBytes),
      path: { type: 'string', pattern: '^/', default: '/api/v1/write', description: 'Path that is written to.' },
      cluster: { type: 'string', default: '', description: 'Cluster of series without the label cluster.' },
      max_written_series: {
        type: 'integer',
        minimum: 1,
        default: 500_000,
        description: 'Series as they are written, each bucket being one, that are remembered; samples of more are discarded.',
      },
      gather: {
        type: 'number',
        exclusiveMinimum: 0,
        default: 10,
        description: 'Seconds the buckets of a histogram wait for each other, as they may come in several requests.',
      },
      ...samplesProperties,
    },
  },
  run: (options, context) => receive(options, context, openTaker),
})

export const remoteWrite = remoteWriteSource(openSamples)

async function receive(options: RemoteWriteOptions, context: SourceContext, openTaker: OpenTaker): Promise<void> {
  const { path = '/api/v1/write', port = defaultPort, max_message_bytes: maxBytes = defaultMaxBytes } = options
  const { signal, log, instruments } = context
  const receiver = new Receiver(options, context, await openTaker({ ...options, ...context, source: name }))
  {
    await using server = await listenHttp({
      listen: { ...options, port, max_message_bytes: maxBytes },
      receivers: { [path]: request => receiver.answer(request) },
      setting: `collect.${name}`,
      log,
      instruments,
      ownEncoding: 'snappy',
    })
    log.info({ port: server.port, path }, 'taking remote write')
    const tell = () => context.status({ ready: true, detail: { port: server.port, series: receiver.series } })
    tell()
    const timers = [setInterval(() => receiver.sweep(), sweepEveryMs), setInterval(tell, tellEveryMs)]
    await untilAborted(signal)
    for (const timer of timers) clearInterval(timer)
  }
  await receiver.finish()
}

class Receiver {
  readonly #store: RemoteStore
  readonly #second: Request2Reader
  readonly #taker: PointTaker
  readonly #context: SourceContext
  readonly #maxBytes: number
  #swept: Promise<void> = Promise.resolve()

  constructor(options: RemoteWriteOptions, context: SourceContext, taker: PointTaker) {
    const { cluster = '', max_written_series: maxSeries = 500_000, gather = 10, max_message_bytes = defaultMaxBytes } = options
    this.#store = new RemoteStore({ cluster, maxSeries, waitMs: gather * 1000 })
    this.#second = new Request2Reader(this.#store)
    this.#taker = taker
    this.#context = context
    this.#maxBytes = max_message_bytes
  }

  /** Series that are remembered, each bucket being one. */
  get series(): number {
    return this.#store.table.size
  }

  async answer({ headers, body, peer }: Posted): Promise<Answer> {
    const message = messageOf(headers['content-type'])
    if (!message) return refused(415, `expected application/x-protobuf of ${messages.join(' or ')}`)
    if (headers['content-encoding']?.trim().toLowerCase() !== 'snappy') return refused(415, 'expected the Content-Encoding snappy')
    if (!(await within(this.#taker.ready(), readyWithinMs))) return away()
    const samples = this.#read(message, body, peer)
    if ('status' in samples) return samples
    const outcome = this.#store.take(samples, Date.now())
    this.#count(samples, outcome)
    const settled = handOn(this.#taker, outcome.points, each => each).then(() => this.#context.outbox.durable())
    if (!(await within(settled, durableWithinMs))) return away()
    return answerOf(message, samples)
  }

  /** Histograms that have waited long enough. */
  sweep(): void {
    const outcome = this.#store.sweep(Date.now())
    this.#count(undefined, outcome)
    if (!outcome.points.length) return
    this.#swept = this.#swept
      .then(() => handOn(this.#taker, outcome.points, each => each))
      .catch(error => this.#context.log.error({ error }, 'cannot hand on histograms'))
  }

  /** Hands on what waits. */
  async finish(): Promise<void> {
    const outcome = this.#store.sweep(Date.now(), 0)
    this.#count(undefined, outcome)
    await this.#swept
    await handOn(this.#taker, outcome.points, each => each)
  }

  #read(message: Message, body: Buffer, peer: string): Samples | Answer {
    try {
      const bytes = uncompressSnappy(body, this.#maxBytes)
      return message === 'prometheus.WriteRequest' ? readWriteRequest(bytes, this.#store) : this.#second.read(bytes)
    } catch (error) {
      if (error instanceof CompressionError && error.kind === 'too_large') throw new BodyError('too_large', tooLarge(this.#maxBytes))
      if (!(error instanceof CompressionError || error instanceof UndecodableError)) throw error
      this.#context.instruments.discarded(1, 'undecodable', { kind: 'message' })
      this.#context.outbox.deadLetter({ source: name, reporter: peer, reason: error.message, body })
      return refused(400, error.message)
    }
  }

  #count(samples: Samples | undefined, { incomplete, repeated, noValue }: Outcome): void {
    const { instruments } = this.#context
    const kind = { kind: 'sample' }
    if (samples) {
      instruments.received(samples.series.length + samples.histograms.length, kind)
      for (const { reason } of samples.refused) instruments.discarded(1, reason, kind)
    }
    instruments.discarded(incomplete, 'incomplete', kind)
    instruments.discarded(repeated, 'repeated', kind)
    instruments.discarded(noValue, 'no_value', kind)
  }
}

/** Which message a Content-Type says; 1.0 where it does not say. */
export function messageOf(contentType = ''): Message | undefined {
  const [type, ...parameters] = contentType.split(';').map(part => part.trim())
  if (type.toLowerCase() !== 'application/x-protobuf') return undefined
  const proto = parameters.find(parameter => /^proto=/i.test(parameter))?.slice('proto='.length)
  return proto === undefined ? messages[0] : messages.find(message => message === proto)
}

/** Series that were refused are told of; the sender does not send them again. */
function answerOf(message: Message, { series, histograms, refused: errors }: Samples): Answer {
  const written: Record<string, string> =
    message === messages[0]
      ? {}
      : {
          'x-prometheus-remote-write-samples-written': String(series.length),
          'x-prometheus-remote-write-histograms-written': String(histograms.length),
          'x-prometheus-remote-write-exemplars-written': '0',
        }
  if (!errors.length) return { status: 204, headers: written }
  const { status, headers, body } = refused(400, `${errors.length} series or histograms were left out, such as: ${errors[0].message}`)
  return { status, headers: { ...headers, ...written }, body }
}

const refused = (status: number, message: string): Answer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: message + '\n',
})

/** What was taken meanwhile is recognised when it comes again. */
const away = (): Answer => ({ status: 503, headers: { 'retry-after': '5' }, body: 'nothing can be stored at the moment\n' })

/** Whether it was done in time. */
async function within(done: Promise<void>, ms: number): Promise<boolean> {
  const late = new AbortController()
  try {
    return await Promise.race([done.then(() => true), sleep(ms, false, { signal: late.signal })])
  } finally {
    late.abort()
  }
}
