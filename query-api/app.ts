import { existsSync } from 'node:fs'
import fastifyStatic from '@fastify/static'
import swagger from '@fastify/swagger'
import fastify, { type FastifyInstance } from 'fastify'
import type { Bus } from '../runtime/bus/bus.ts'
import type { ClickHouse } from '../runtime/clickhouse/client.ts'
import type { Logger } from '../runtime/log.ts'
import type { ServiceStatuses } from '../runtime/service.ts'
import type { ApiContext } from './context.ts'
import { answerErrors } from './plugins/errors.ts'
import { secure } from './plugins/security.ts'
import { catalogRoute } from './routes/catalog.ts'
import { completeRoute } from './routes/complete.ts'
import { denialsRoute } from './routes/denials.ts'
import { driftRoute } from './routes/drift.ts'
import { healthRoutes } from './routes/health.ts'
import { liveRoute } from './routes/live.ts'
import { qualityRoute } from './routes/quality.ts'
import { queryRoute } from './routes/query.ts'
import { recordsRoute } from './routes/records.ts'
import { relatedRoute } from './routes/related.ts'
import { signalsRoute } from './routes/signals.ts'
import { topologyRoute } from './routes/topology.ts'

export interface ApiOptions {
  clickhouse: ClickHouse
  log: Logger
  /** For how far its readers are behind. */
  bus?: Bus
  /** How the services are doing. */
  services?: () => ServiceStatuses
  /** Directory of the web app. */
  staticDir?: string
  /** Names by which browsers may call the API, besides localhost. */
  allowedHosts?: readonly string[]
  /** How long the enricher makes records wait for objects, milliseconds. */
  objectsWaitMs?: number
  now?: () => number
}

const maxBodyBytes = 256 << 10
const routes = [
  catalogRoute,
  queryRoute,
  completeRoute,
  topologyRoute,
  signalsRoute,
  denialsRoute,
  driftRoute,
  recordsRoute,
  relatedRoute,
  liveRoute,
  qualityRoute,
]

/** The HTTP API with the web app, not yet listening. Closing it ends what clients still wait for. */
export function openApi({
  clickhouse,
  log,
  bus,
  services = () => ({}),
  staticDir,
  allowedHosts = [],
  objectsWaitMs,
  now = Date.now,
}: ApiOptions): FastifyInstance {
  const context: ApiContext = { clickhouse, log, bus, services, objectsWaitMs, now }
  const app = fastify({
    bodyLimit: maxBodyBytes,
    forceCloseConnections: true,
    // What a request says and we do not know is an error, never left out in silence.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, allErrors: false } },
  })
  secure(app, allowedHosts)
  answerErrors(app, log)
  app.register(swagger, {
    openapi: { info: { title: 'weir', description: 'Open network observability for Kubernetes.', version: '1' }, servers: [{ url: '/' }] },
  })
  app.register(
    async api => {
      for (const route of routes) route(api, context)
      api.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
    },
    { prefix: '/api/v1' },
  )
  app.register(async own => healthRoutes(own, context))
  serveWebApp(app, staticDir)
  return app
}

/** The web app, whose pages are all the one document; without it every other path is an error. */
function serveWebApp(app: FastifyInstance, staticDir: string | undefined): void {
  const root = staticDir && existsSync(staticDir) ? staticDir : undefined
  if (root) app.register(fastifyStatic, { root, cacheControl: true, maxAge: '1h', index: 'index.html' })
  app.setNotFoundHandler((request, reply) => {
    const page = root && request.method === 'GET' && /^\/(?!api\/)[^.]*$/.test(request.url.split('?')[0])
    if (page) return reply.sendFile('index.html')
    return reply.code(404).send({ error: { code: 'not_found', message: `there is no ${request.method} ${request.url.slice(0, 200)}` } })
  })
}
