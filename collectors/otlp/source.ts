import { unary, serveGrpc } from '../grpc/server.ts'
import { listenHttp } from '../listen/http.ts'
import { untilAborted } from '../../runtime/service.ts'
import type { Source, SourceContext } from '../source.ts'
import { accepted, encodingOf, failed, grpcFailure, refusal, responseBytes } from './answer.ts'
import { Intake } from './intake.ts'
import { encodeJson } from './json.ts'
import { LogTaker } from './logs.ts'
import { MetricTaker } from './metrics.ts'
import { type OtlpOptions, defaultLimits, otlpSchema } from './options.ts'
import { openReaders } from './readers.ts'
import { type Signal, signals } from './signals.ts'
import type { Outcome, Taker } from './taker.ts'
import { TraceTaker } from './traces.ts'

/** Traces, logs and metrics of OpenTelemetry, over gRPC and HTTP. */
export const otlp: Source<OtlpOptions> = {
  name: 'otlp',
  about: 'Traces, logs and metrics of OpenTelemetry, over gRPC and HTTP.',
  options: otlpSchema,
  run: receive,
}

/** Takes an export in protobuf, or in JSON. */
type Take = (signal: Signal, body: Buffer, peer: string, isJson?: boolean) => Promise<Outcome>

async function receive(options: OtlpOptions, context: SourceContext): Promise<void> {
  const limits = { ...defaultLimits, ...options.limits }
  const common = { limits, cluster: options.cluster ?? '', source: otlp.name }
  const { lines, points } = await openReaders({ source: otlp.name, metrics: options.metrics }, context)
  const takers: Record<Signal['name'], Taker> = {
    traces: new TraceTaker(common, context),
    logs: new LogTaker({ ...common, lines }, context),
    metrics: new MetricTaker({ ...common, points }, context),
  }
  const intake = new Intake({ source: otlp.name }, context)
  const take: Take = async (signal, body, peer, isJson = false) => {
    const bytes = isJson ? encodedJson(signal, body, peer, intake) : body
    return intake.accept(takers[signal.name], bytes, peer)
  }
  await using stack = new AsyncDisposableStack()
  const grpc = stack.use(await serve(options, context, take))
  const http = stack.use(await listen(options, context, take))
  const detail = { grpc_port: grpc.port, http_port: http.port }
  context.status({ ready: true, detail })
  context.log.info(detail, 'taking OTLP')
  await untilAborted(context.signal)
}

function encodedJson({ shape }: Signal, body: Buffer, peer: string, intake: Intake): Buffer {
  try {
    return encodeJson(body, shape)
  } catch (error) {
    intake.refuse((error as Error).message, body, peer)
    throw error
  }
}

const serve = ({ grpc }: OtlpOptions, { log, instruments }: SourceContext, take: Take) =>
  serveGrpc({
    listen: { port: 4317, ...grpc },
    setting: 'collect.otlp.grpc',
    log,
    instruments,
    methods: Object.fromEntries(
      signals.map(signal => [
        signal.method,
        unary(async (message, { peer }) => {
          try {
            // What is read of the message outlives the call's buffer: an export waits for its turn.
            return responseBytes(await take(signal, Buffer.from(message), peer))
          } catch (error) {
            throw grpcFailure(error)
          }
        }),
      ]),
    ),
  })

const listen = ({ http }: OtlpOptions, { log, instruments }: SourceContext, take: Take) =>
  listenHttp({
    listen: { port: 4318, ...http },
    setting: 'collect.otlp.http',
    log,
    instruments,
    refusal,
    receivers: Object.fromEntries(
      signals.map(signal => [
        signal.path,
        async ({ headers, body, peer }) => {
          const encoding = encodingOf(headers['content-type'])
          if (!encoding) return { status: 415, body: 'expected application/x-protobuf or application/json\n' }
          try {
            const outcome = await take(signal, body, peer, encoding === 'application/json')
            return accepted(outcome, signal, encoding)
          } catch (error) {
            return failed(error, encoding)
          }
        },
      ]),
    ),
  })
