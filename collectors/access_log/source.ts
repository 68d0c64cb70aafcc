import { hostname } from 'node:os'
import { ConfigError } from '../../runtime/error.ts'
import { untilAborted } from '../../runtime/service.ts'
import type { Source, SourceContext } from '../source.ts'
import { followFiles } from './files.ts'
import { Intake } from './intake.ts'
import type { JsonFormat } from './json.ts'
import type { FormatOptions } from './reader.ts'
import { followStream } from './stdin.ts'

export interface AccessLogOptions extends FormatOptions {
  /** Files, or patterns of files, that proxies or container runtimes write lines to. */
  paths?: string[]
  /** Whether lines come from the standard input. */
  stdin?: boolean
  json_formats?: JsonFormat[]
  cluster?: string
  /** Node the files are of. */
  node?: string
  history?: number
  max_files?: number
  max_line_bytes?: number
}

/** Access logs of Envoy, ztunnel and Linkerd, as lines of text or JSON. */
export const accessLog: Source<AccessLogOptions> = {
  name: 'access_log',
  about: 'Access logs of Envoy, ztunnel and Linkerd out of files, as lines of text or JSON.',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      paths: {
        type: 'array',
        items: { type: 'string', minLength: 1 },
        default: [],
        description:
          'Files that lines are written to, or patterns such as /var/log/containers/*_istio-proxy-*.log; they are followed when they are rotated, and new ones when they come.',
      },
      stdin: { type: 'boolean', default: false, description: 'Read lines from the standard input.' },
      formats: {
        type: 'array',
        items: { type: 'string', minLength: 1 },
        default: [],
        description: 'Format strings of Envoy that lines may have, besides the formats that are known.',
      },
      json_formats: {
        type: 'array',
        items: { type: 'object', additionalProperties: true },
        default: [],
        expected: 'mappings of keys to format strings of Envoy',
        description: 'JSON formats of Envoy that lines may have, as json_format has them.',
      },
      cluster: { type: 'string', default: '', description: 'Cluster of the proxies.' },
      node: { type: 'string', default: '', description: 'Node of the containers whose logs are read; the name of this host when empty.' },
      history: {
        type: 'integer',
        minimum: 0,
        default: 86_400,
        description: 'A file that was never read and not written to for so many seconds is begun at its end.',
      },
      max_files: { type: 'integer', minimum: 1, maximum: 10_000, default: 1000, description: 'Files that are followed at once.' },
      max_line_bytes: {
        type: 'integer',
        minimum: 1024,
        maximum: 16_777_216,
        default: 131_072,
        description: 'Longer lines are discarded and counted.',
      },
    },
  },
  run: follow,
}

async function follow(options: AccessLogOptions, context: SourceContext): Promise<void> {
  const { paths = [], stdin = false, formats = [], json_formats = [], cluster = '', node, history = 86_400 } = options
  const { max_files: maxFiles = 1000, max_line_bytes: maxLineBytes = 1 << 17 } = options
  if (!paths.length && !stdin) throw new ConfigError('collect.access_log: expected paths, or stdin: true')
  // A service below a supervisor got its configuration there.
  if (stdin && (process.stdin.destroyed || process.stdin.readableEnded))
    throw new ConfigError('collect.access_log.stdin: expected a standard input of its own, as weir collect has')
  const intake = openIntake({ formats, json_formats }, maxLineBytes, context)
  const source = accessLog.name
  const files = { paths, maxFiles, maxLineBytes, historyMs: history * 1000, node: node || hostname(), cluster, source }
  await intake.positions.recall()
  if (!paths.length) context.status({ ready: true })
  await Promise.all([
    paths.length ? followFiles(files, intake, context) : undefined,
    stdin
      ? followStream(process.stdin, intake.newStream({ source, cluster, received: 0 }), intake, context.signal, maxLineBytes)
      : undefined,
    untilAborted(context.signal),
  ])
}

function openIntake(formats: FormatOptions, maxLineBytes: number, context: SourceContext): Intake {
  try {
    return new Intake(formats, maxLineBytes, context)
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`collect.access_log.${error.message}`, { cause: error })
    throw error
  }
}
