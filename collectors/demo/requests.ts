import type { Edge } from './edges.ts'
import type { L7 } from './event.ts'
import { Phase } from './hubble-numbers.ts'
import type { Random } from './random.ts'

/** Share of requests that carry a trace. */
const traced = 0.4

/** Status of an answer: a server error when it `failed`, and sometimes nothing found. */
export function statusOf({ protocol, ...asked }: L7, failed: boolean, random: Random): number {
  if (protocol === 'kafka') return failed ? 7 : 0
  if (failed) return random.pick([500, 503, 503, 504])
  if (random.chance(0.02)) return 404
  return 'method' in asked && asked.method === 'POST' ? 201 : 200
}

const agents = ['okhttp/5.1', 'Go-http-client/2.0', 'python-requests/2.33']
export const browsers = ['Mozilla/5.0 (X11; Linux x86_64)', 'Mozilla/5.0 (iPhone; CPU iPhone OS 26_1)', 'curl/8.16.0']

const word = (random: Random) => random.next().toString(16).padStart(8, '0')

/** One of the requests; `label` is the server as namespace/workload. */
export function httpRequest(random: Random, requests: Edge['requests'], label: string): L7 & { protocol: 'http' } {
  const [method, path] = random.pick(requests)
  const [namespace, name] = label.split('/')
  const [a, b, c, d] = [word(random), word(random), word(random), word(random)]
  return {
    protocol: 'http',
    phase: Phase.request,
    latencyNs: 0,
    method,
    url: `http://${name}.${namespace}.svc:8080${path.replace('{}', String(1 + random.below(900)))}`,
    status: 0,
    requestId: `${a}-${b.slice(0, 4)}-4${c.slice(0, 3)}-a${d.slice(0, 3)}-${c}${b.slice(4)}`,
    userAgent: random.pick(agents),
    traceId: random.chance(traced) ? a + b + c + d : '',
  }
}

export function kafkaRequest(random: Random, [[key, topic]]: Edge['requests']): L7 & { protocol: 'kafka' } {
  return { protocol: 'kafka', phase: Phase.request, latencyNs: 0, key, topic, correlationId: 1 + random.below(1 << 20), status: 0 }
}
