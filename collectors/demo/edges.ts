/** Who calls whom, and how often. */

export type Dialogue = 'http' | 'tcp' | 'kafka'

export interface Edge {
  client: string
  server: string
  dialogue: Dialogue
  /** Share of the traffic of the shop, in conversations. */
  weight: number
  /** Typical time to answer, in microseconds. */
  latency: number
  /** Share of answers that are 5xx (or a Kafka error) on an ordinary day. */
  errors: number
  requests: readonly (readonly [method: string, path: string])[]
  /** The client's node has the proxy look at the requests, too. */
  seenAtClient?: true
  /** No policy allows it, or one denies it. */
  denied?: true
}

const ms = 1000
type Requests = Edge['requests']

const http = (client: string, server: string, weight: number, latency: number, errors: number, requests: Requests): Edge => ({
  client,
  server,
  dialogue: 'http',
  weight,
  latency,
  errors,
  requests,
})
const tcp = (client: string, server: string, weight: number, latency: number): Edge => ({
  client,
  server,
  dialogue: 'tcp',
  weight,
  latency,
  errors: 0,
  requests: [],
})
const kafka = (client: string, topic: string, weight: number, key: 'produce' | 'fetch'): Edge => ({
  client,
  server: 'kafka',
  dialogue: 'kafka',
  weight,
  latency: key === 'fetch' ? 90 * ms : 4 * ms,
  errors: 0.001,
  requests: [[key, topic]],
})

/** A number in a path stands for itself: `{}` becomes another one in each request. */
export const edges: readonly Edge[] = [
  {
    ...http('ingress-gateway', 'frontend', 16, 38 * ms, 0.002, [
      ['GET', '/'],
      ['GET', '/product/{}'],
      ['GET', '/cart'],
      ['POST', '/cart'],
      ['POST', '/checkout'],
    ]),
    seenAtClient: true,
  },
  http('frontend', 'catalog', 12, 9 * ms, 0.001, [
    ['GET', '/v1/products'],
    ['GET', '/v1/products/{}'],
    ['GET', '/v1/search?q=kettle'],
  ]),
  http('frontend', 'cart', 8, 6 * ms, 0.001, [
    ['GET', '/v1/carts/{}'],
    ['POST', '/v1/carts/{}/items'],
    ['DELETE', '/v1/carts/{}/items'],
  ]),
  http('frontend', 'recommendation', 6, 22 * ms, 0.003, [['GET', '/v1/recommendations?user={}']]),
  http('frontend', 'checkout', 5, 60 * ms, 0.002, [['POST', '/v1/orders']]),
  http('recommendation', 'catalog', 4, 9 * ms, 0.001, [['GET', '/v1/products?ids={}']]),
  http('checkout', 'cart', 4, 6 * ms, 0.001, [['GET', '/v1/carts/{}']]),
  http('checkout', 'payment', 5, 34 * ms, 0.003, [
    ['POST', '/v1/charges'],
    ['GET', '/v1/charges/{}'],
  ]),
  http('checkout', 'fraud', 4, 18 * ms, 0.001, [['POST', '/v1/scores']]),
  http('payment', 'fraud', 3, 18 * ms, 0.001, [['GET', '/v1/scores/{}']]),
  tcp('catalog', 'postgres', 4, 2 * ms),
  tcp('payment', 'postgres', 3, 3 * ms),
  tcp('report', 'postgres', 3, 40 * ms),
  tcp('cart', 'redis', 6, ms),
  tcp('fraud', 'redis', 2, ms),
  kafka('checkout', 'orders', 3, 'produce'),
  kafka('payment', 'payments', 3, 'produce'),
  kafka('fraud', 'payments', 2, 'fetch'),
  kafka('recommendation', 'orders', 2, 'fetch'),
  { ...http('recommendation', 'payment', 0.3, 0, 0, []), denied: true },
  { ...tcp('frontend', 'postgres', 0.2, 0), denied: true },
]
