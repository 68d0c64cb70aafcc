import { TraceRequest, attributes, encoded } from '../collectors/otlp/proto.ts'
import { randomNumbers } from './random.ts'

const services = 60
const spansPerExport = 512

/** Exports of OpenTelemetry SDKs: servers and clients of HTTP and databases, about 12 attributes a span, 10 of each resource. */
export function spanExports(count: number): { exports: Buffer[]; spans: number; attributes: number } {
  const random = randomNumbers(1)
  const exports: Buffer[] = []
  let spans = 0
  let said = 0
  while (spans < count) {
    const list = Array.from({ length: spansPerExport }, () => spanOf(random))
    said += list.reduce((sum, span) => sum + span.attributes.length, 0)
    spans += list.length
    const service = Math.floor(random() * services)
    const scopeSpans = [{ scope: { name: '@opentelemetry/instrumentation-http', version: '0.57.0' }, spans: list }]
    exports.push(encoded(TraceRequest, { resourceSpans: [{ resource: { attributes: resourceOf(service) }, scopeSpans }] }))
  }
  return { exports, spans, attributes: said }
}

const resourceOf = (service: number) =>
  attributes({
    'service.name': `service-${service}`,
    'service.version': '1.4.2',
    'k8s.cluster.name': 'production',
    'k8s.namespace.name': `team-${service % 9}`,
    'k8s.deployment.name': `service-${service}`,
    'k8s.pod.name': `service-${service}-7c8d9f6b5-k9m2p`,
    'k8s.pod.ip': `10.244.${service}.12`,
    'k8s.node.name': `node-${service % 12}`,
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.name': 'opentelemetry',
  })

function spanOf(random: () => number) {
  const start = BigInt(Math.floor(1.79e12 + random() * 1e6)) * 1_000_000n
  const kind = random()
  return {
    traceId: idOf(random, 16),
    spanId: idOf(random, 8),
    parentSpanId: idOf(random, 8),
    name: kind < 0.8 ? `GET /api/v1/things/{id}/${Math.floor(random() * 40)}` : 'SELECT things',
    kind: kind < 0.4 ? 2 : 3,
    startTimeUnixNano: String(start),
    endTimeUnixNano: String(start + BigInt(Math.floor(random() * 5e7))),
    attributes: attributes(kind < 0.4 ? serverOf(random) : kind < 0.8 ? clientOf(random) : databaseOf(random)),
    status: kind < 0.02 ? { code: 2, message: 'upstream failed' } : {},
    flags: 257,
  }
}

const idOf = (random: () => number, length: number) => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))
const number = (random: () => number, below: number) => Math.floor(random() * below)

const serverOf = (random: () => number) => ({
  'http.request.method': 'GET',
  'url.scheme': 'https',
  'url.path': `/api/v1/things/${number(random, 1e6)}`,
  'http.route': `/api/v1/things/{id}/${number(random, 40)}`,
  'http.response.status_code': random() < 0.97 ? 200 : 503,
  'server.address': `service-${number(random, services)}.example.com`,
  'server.port': 443,
  'client.address': `10.244.${number(random, 60)}.${number(random, 250)}`,
  'network.peer.address': `10.244.${number(random, 60)}.${number(random, 250)}`,
  'network.peer.port': 30000 + number(random, 30000),
  'network.protocol.version': '1.1',
  'user_agent.original': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36',
  'enduser.id': `user-${number(random, 1e5)}`,
})

const clientOf = (random: () => number) => ({
  'http.request.method': 'GET',
  'url.full': `http://service-${number(random, services)}.team-${number(random, 9)}.svc.cluster.local:8080/api/v1/things/${number(random, 1e6)}?expand=all`,
  'http.response.status_code': 200,
  'server.address': `service-${number(random, services)}.team-3.svc.cluster.local`,
  'server.port': 8080,
  'network.peer.address': `10.244.${number(random, 60)}.${number(random, 250)}`,
  'network.peer.port': 8080,
  'network.protocol.version': '1.1',
  'http.request.resend_count': 0,
  'thread.id': number(random, 64),
  'thread.name': `worker-${number(random, 64)}`,
  'app.tenant': `tenant-${number(random, 300)}`,
})

const databaseOf = (random: () => number) => ({
  'db.system.name': 'postgresql',
  'db.namespace': 'shop',
  'db.operation.name': 'SELECT',
  'db.query.text': 'SELECT id, name, price FROM things WHERE tenant = $1 AND id = $2 ORDER BY name LIMIT 100',
  'db.query.summary': 'SELECT things',
  'server.address': `postgres-${number(random, 4)}.data.svc.cluster.local`,
  'server.port': 5432,
  'network.peer.address': `10.244.9.${number(random, 4)}`,
  'network.peer.port': 5432,
  'thread.id': number(random, 64),
  'app.tenant': `tenant-${number(random, 300)}`,
})
