import test from 'ava'
import { otlp } from '../../../collectors/otlp/source.ts'
import { kubernetes } from '../../../enricher/steps/kubernetes.ts'
import { orientation } from '../../../enricher/steps/orientation.ts'
import { enriched, objectsOf, tableOf } from '../../enricher/enriched.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { published, start } from '../hubble/running.ts'
import { TraceRequest, attributes, encoded } from './proto.ts'

const spanOf = (name: string, resource: Record<string, string>) => ({
  resource: { attributes: attributes(resource) },
  scopeSpans: [{ spans: [{ traceId: Buffer.alloc(16, 1), spanId: Buffer.alloc(8, 2), name, kind: 2 }] }],
})

test('who a collector on the way sends for is who the spans say, never the address the connection comes from', async t => {
  const { bus, [Symbol.asyncDispose]: closeBus } = await openTestBus()
  const source = start(otlp, { grpc: { port: 0 }, http: { port: 0 } }, bus)
  try {
    await until('the port', () => source.statuses.length > 0)
    const { http_port: port } = source.statuses[0].detail as { http_port: number }
    const resourceSpans = [
      spanOf('by name', { 'k8s.cluster.name': 'east', 'k8s.namespace.name': 'shop', 'k8s.pod.name': 'cart-1', 'k8s.pod.ip': '10.0.0.1' }),
      spanOf('by address', { 'k8s.cluster.name': 'east', 'k8s.pod.ip': '10.0.0.1' }),
      spanOf('not at all', { 'k8s.cluster.name': 'east', 'service.name': 'cart' }),
    ]
    const answer = await fetch(`http://127.0.0.1:${port}/v1/traces`, {
      method: 'POST',
      body: encoded(TraceRequest, { resourceSpans }) as unknown as string,
      headers: { 'content-type': 'application/x-protobuf' },
    })
    t.is(answer.status, 200)
    const spans = await published(bus, 'span')
    // The collector's pod has the address all of it came from.
    const { pod } = objectsOf('east')
    const table = tableOf(pod('cart-1', '10.0.0.1'), pod('collector-1', '127.0.0.1', { addresses: ['127.0.0.1', '::1'] }))
    const rows = await enriched([orientation(table), kubernetes(table)], spans, 'span')
    const told = Object.fromEntries(
      rows.map(row => [row.name, [row.dst_address, row.dst_pod, row.dst_workload, row.dst_attribution_reason]]),
    )
    t.deepEqual(told, {
      'by name': ['10.0.0.1', 'cart-1', 'cart', 'claim_agrees'],
      'by address': ['10.0.0.1', 'cart-1', 'cart', 'object'],
      'not at all': ['', '', '', 'no_address'],
    })
  } finally {
    await source[Symbol.asyncDispose]()
    await closeBus()
  }
})
