import { untilAborted } from '../../runtime/service.ts'
import { type Answer, type Posted, listenHttp } from '../listen/http.ts'
import { type ListenOptions, listenProperties } from '../listen/options.ts'
import { BusyError, Intake } from '../otlp/intake.ts'
import { type Limits, defaultLimits, limitsSchema } from '../otlp/options.ts'
import { TraceTaker } from '../otlp/traces.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import type { Source, SourceContext } from '../source.ts'
import { readJson } from './json.ts'
import { readProto } from './proto.ts'
import { translate } from './translate.ts'

const path = '/api/v2/spans'

export interface ZipkinOptions extends ListenOptions {
  /** Cluster of the senders that name none. */
  cluster?: string
  limits?: Partial<Limits>
}

/** Spans of Zipkin's API v2, in JSON or protobuf. */
export const zipkin: Source<ZipkinOptions> = {
  name: 'zipkin',
  about: "Spans of Zipkin's API v2, in JSON or protobuf.",
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      ...listenProperties(9411),
      cluster: { type: 'string', default: '', description: 'Cluster of the senders that name none.' },
      limits: limitsSchema,
    },
  },
  run: receive,
}

async function receive(options: ZipkinOptions, context: SourceContext): Promise<void> {
  const { cluster = '', limits, ...listen } = options
  const { log, instruments } = context
  const taker = new TraceTaker({ limits: { ...defaultLimits, ...limits }, cluster, source: zipkin.name }, context)
  const intake = new Intake({ source: zipkin.name }, context)
  await using server = await listenHttp({
    listen: { port: 9411, ...listen },
    setting: 'collect.zipkin',
    log,
    instruments,
    receivers: { [path]: request => take(request, taker, intake) },
  })
  context.status({ ready: true, detail: { port: server.port } })
  log.info({ port: server.port }, 'taking spans of Zipkin')
  await untilAborted(context.signal)
}

async function take({ headers, body, peer }: Posted, taker: TraceTaker, intake: Intake): Promise<Answer> {
  const isProto = headers['content-type']?.split(';')[0].trim().toLowerCase() === 'application/x-protobuf'
  try {
    const { rejected, message } = await intake.accept(taker, exportOf(body, peer, isProto, intake), peer)
    return rejected ? { status: 202, body: `${rejected} spans were not taken: ${message}\n` } : { status: 202 }
  } catch (error) {
    if (error instanceof UndecodableError) return { status: 400, body: `${error.message}\n` }
    if (error instanceof BusyError) return { status: 503, headers: { 'retry-after': '5' }, body: `${error.message}\n` }
    throw error
  }
}

/** What cannot be read is kept as it came. */
function exportOf(body: Buffer, peer: string, isProto: boolean, intake: Intake): Buffer {
  try {
    return translate(isProto ? readProto(body) : readJson(body))
  } catch (error) {
    if (!(error instanceof UndecodableError || error instanceof RangeError)) throw error
    intake.refuse(error.message, body, peer)
    throw error instanceof RangeError ? new UndecodableError(error.message, 0) : error
  }
}
