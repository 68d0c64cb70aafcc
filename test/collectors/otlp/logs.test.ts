import test from 'ava'
import type { LineContext } from '../../../collectors/access_log/line.ts'
import { LogTaker } from '../../../collectors/otlp/logs.ts'
import { defaultLimits } from '../../../collectors/otlp/options.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { collecting, fixture, framed } from './collecting.ts'
import { LogsRequest, attributes, encoded } from './proto.ts'

interface Line {
  line: string
  context: LineContext
}

/** The lines a reader is offered, which takes those `isKnown` says. */
async function offered(exports: readonly Buffer[], isKnown: (line: string, context: LineContext) => boolean = () => true) {
  await using running = await openTestBus()
  await using to = collecting(running.bus)
  const found: Line[] = []
  const lines = {
    take(line: string, context: LineContext) {
      found.push({ line, context })
      return isKnown(line, context)
    },
  }
  const taker = new LogTaker({ limits: defaultLimits, cluster: 'home', source: 'otlp', lines }, to.context)
  for (const bytes of exports) await taker.take(bytes, 'peer')
  return { found, discarded: Object.fromEntries(to.discarded), received: Object.fromEntries(to.received) }
}

const resource = { 'k8s.namespace.name': 'shop', 'k8s.pod.name': 'cart-1', 'k8s.deployment.name': 'cart', 'k8s.node.name': 'node-1' }
const exportOf = (...logRecords: object[]) =>
  encoded(LogsRequest, { resourceLogs: [{ resource: { attributes: attributes(resource) }, scopeLogs: [{ logRecords }] }] })

test('a log record is offered with its body, its attributes, its trace and the pod that wrote it', async t => {
  const { found } = await offered([
    exportOf({
      timeUnixNano: '1790000000123456789',
      body: { stringValue: '[2026-01-01] "GET / HTTP/1.1" 200' },
      attributes: attributes({ 'http.request.method': 'GET', 'url.path': '/', response_flags: '-', duration_ms: 3 }),
      traceId: Buffer.alloc(16, 1),
      spanId: Buffer.alloc(8, 2),
    }),
  ])
  t.is(found[0].line, '[2026-01-01] "GET / HTTP/1.1" 200')
  const { received, ...context } = found[0].context
  t.true(received > 1_790_000_000_000_000)
  t.deepEqual(context, {
    source: 'otlp',
    cluster: 'home',
    pod: { namespace: 'shop', name: 'cart-1', workload: 'cart', node: 'node-1' },
    trace_id: '01'.repeat(16),
    span_id: '02'.repeat(8),
    fields: {
      'http.request.method': 'GET',
      'url.path': '/',
      response_flags: '-',
      duration_ms: '3',
      method: 'GET',
      path: '/',
      duration: '3',
      start_time: '2026-09-21T14:13:20.123Z',
    },
  })
})

test('an access log without a body is offered as attributes alone, and a structured body as JSON', async t => {
  const kvlistValue = { values: attributes({ response_code: 200 }) }
  const { found } = await offered([exportOf({ attributes: attributes({ response_code: '200' }) }, { body: { kvlistValue } })])
  t.deepEqual(
    found.map(({ line, context }) => [line, context.fields]),
    [
      ['', { response_code: '200' }],
      ['{"response_code":200}', {}],
    ],
  )
})

test('what no reader knows is counted', async t => {
  const { discarded, received } = await offered(
    [exportOf({ body: { stringValue: 'a' } }, { body: { stringValue: 'b' } })],
    line => line === 'a',
  )
  t.deepEqual(received, { log: 2 })
  t.deepEqual(discarded, { unknown_kind: 1 })
})

test('Envoy 1.40: 341 access logs of two pods, 253 of HTTP and 88 of TCP, each with a text and attributes', async t => {
  const bytes = fixture('envoy-rig/single/otlp_logs.bin.gz')
  if (!bytes) {
    t.log('skipped: no fixtures')
    return t.pass()
  }
  const { found, received, discarded } = await offered(framed(bytes))
  t.deepEqual(received, { log: 341 })
  t.deepEqual(discarded, {})
  const pods = Object.groupBy(found, ({ context }) => context.pod!.name)
  t.deepEqual(Object.fromEntries(Object.entries(pods).map(([pod, lines]) => [pod, lines!.length])), {
    'frontend-6d5f4c9b7d-x2x4q': 184,
    'backend-7c8d9f6b5-k9m2p': 157,
  })
  const http = found.filter(({ line }) => line.startsWith('[2026-11-21T'))
  const tcp = found.filter(({ line }) => line.startsWith('Tcp'))
  t.deepEqual([http.length, tcp.length], [253, 88])
  t.true(http.every(({ context }) => context.fields!.response_flags !== undefined && context.fields!.response_code !== undefined))
  t.true(tcp.every(({ context }) => Object.keys(context.fields!).length >= 8))
})
