import { encode, requestType, writeRequestType } from '../collectors/prometheus/protos.ts'

const bounds = [
  '0.5',
  '1',
  '5',
  '10',
  '25',
  '50',
  '100',
  '250',
  '500',
  '1000',
  '2500',
  '5000',
  '10000',
  '30000',
  '60000',
  '300000',
  '600000',
  '1800000',
  '3600000',
  '+Inf',
]
const edges = 200

/** What a busy sidecar of Istio says: requests and a histogram of 20 buckets of each edge, with all its labels. */
function seriesOf(): { name: string; labels: Record<string, string>; value: number }[] {
  const series = []
  for (let edge = 0; edge < edges; edge++) {
    const labels = labelsOf(edge)
    series.push({ name: 'istio_requests_total', labels, value: 1000 + edge })
    const buckets = bounds.map((le, i) => ({ name: `${duration}_bucket`, labels: { ...labels, le }, value: 50 * i + edge }))
    series.push(
      ...buckets,
      { name: `${duration}_sum`, labels, value: 12345.678 + edge },
      { name: `${duration}_count`, labels, value: 950 + edge },
    )
  }
  return series
}

const duration = 'istio_request_duration_milliseconds'

function labelsOf(edge: number): Record<string, string> {
  const end = (side: string, name: string) => ({
    [`${side}_workload`]: `${name}-v1`,
    [`${side}_workload_namespace`]: 'shop',
    [`${side}_principal`]: `spiffe://cluster.local/ns/shop/sa/${name}`,
    [`${side}_app`]: name,
    [`${side}_version`]: 'v1',
    [`${side}_canonical_service`]: name,
    [`${side}_canonical_revision`]: 'v1',
    [`${side}_cluster`]: 'Kubernetes',
  })
  return {
    reporter: edge % 2 ? 'source' : 'destination',
    ...end('source', `caller-${edge % 20}`),
    ...end('destination', `service-${edge}`),
    destination_service: `service-${edge}.shop.svc.cluster.local`,
    destination_service_name: `service-${edge}`,
    destination_service_namespace: 'shop',
    request_protocol: 'http',
    response_code: edge % 7 ? '200' : '503',
    grpc_response_status: '',
    response_flags: '-',
    connection_security_policy: 'mutual_tls',
  }
}

const series = seriesOf()

/** One scrape in the text format. */
export function exposition(): { text: Buffer; lines: number } {
  const types = ['# TYPE istio_requests_total counter', `# TYPE ${duration} histogram`]
  const [requests, rest] = [
    series.filter(({ name }) => name === 'istio_requests_total'),
    series.filter(({ name }) => name !== 'istio_requests_total'),
  ]
  const line = ({ name, labels, value }: (typeof series)[number]) =>
    `${name}{${Object.entries(labels)
      .map(([label, text]) => `${label}="${text}"`)
      .join(',')}} ${value}`
  const lines = [types[0], ...requests.map(line), types[1], ...rest.map(line)]
  return { text: Buffer.from(lines.join('\n') + '\n'), lines: lines.length }
}

/** The same as requests of remote write, 2,000 samples each, as Prometheus sends them. */
export function writeRequests(version: 1 | 2, time: number): Buffer[] {
  const requests = []
  for (let at = 0; at < series.length; at += 2000) requests.push((version === 1 ? first : second)(series.slice(at, at + 2000), time))
  return requests
}

function first(all: typeof series, timestamp: number): Buffer {
  const timeseries = all.map(({ name, labels, value }) => ({
    labels: Object.entries({ __name__: name, ...labels }).map(([name, value]) => ({ name, value })),
    samples: [{ value, timestamp }],
  }))
  return encode(writeRequestType, { timeseries })
}

function second(all: typeof series, timestamp: number): Buffer {
  const symbols = new Map([['', 0]])
  const ref = (text: string) => symbols.get(text) ?? symbols.set(text, symbols.size).size - 1
  const timeseries = all.map(({ name, labels, value }) => ({
    labels_refs: Object.entries({ __name__: name, ...labels })
      .flat()
      .map(ref),
    samples: [{ value, timestamp }],
    metadata: { type: name.startsWith(duration) ? 3 : 1 },
  }))
  return encode(requestType, { symbols: [...symbols.keys()], timeseries })
}

export const samplesOfAll = series.length
