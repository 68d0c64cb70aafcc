import { isIPv6 } from 'node:net'
import type { FastifyInstance } from 'fastify'

const headers = {
  // ECharts styles its tooltips inline.
  'content-security-policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
} as const

const ownNames = ['localhost', '127.0.0.1', '[::1]']

/**
 * Answers only requests that name this server as we know it: a page whose name was made to point at 127.0.0.1 is refused.
 * No other origin may read an answer, nor frame it.
 */
export function secure(app: FastifyInstance, allowedHosts: readonly string[]): void {
  const allowed = new Set([...ownNames, ...allowedHosts].map(name => name.toLowerCase()))
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers)
    const name = nameOf(request.headers.host ?? '')
    if (allowed.has(name) || name === bracketed(request.socket.localAddress ?? '')) return undefined
    const message = `host ${JSON.stringify(name)} is not served here; expected ${[...allowed].join(', ')} (http.allowed_hosts adds names)`
    return reply.code(403).send({ error: { code: 'forbidden_host', message } })
  })
}

/** The name in a Host header, without its port. */
const nameOf = (host: string) => host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')

const bracketed = (address: string) => {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
  return isIPv6(plain) ? `[${plain}]` : plain
}
