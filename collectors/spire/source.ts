import { ConfigError } from '../../runtime/error.ts'
import { parseAddress } from '../address.ts'
import type { ObjectSourceContext, Source } from '../source.ts'
import { type ServerOptions, type ServerState, follow } from './follow.ts'

export interface SpireOptions {
  servers: ServerOptions[]
  /** Seconds between polls. */
  every: number
}

const pem = (what: string) => ({ type: 'string', minLength: 1, description: `PEM file of ${what}.` })

const serverOptions = {
  type: 'object',
  additionalProperties: false,
  required: ['address'],
  properties: {
    address: {
      type: 'string',
      expected: 'unix:///path of the socket of the server, or host:port with tls',
      description: 'Socket of the SPIRE server, unix:///path, or host:port of its API, which needs tls.',
    },
    cluster: {
      type: 'string',
      default: '',
      description: 'Cluster whose pods get their identities there, by the name other sources give it.',
    },
    tls: {
      type: 'object',
      additionalProperties: false,
      required: ['cert', 'key', 'ca'],
      properties: {
        cert: pem('an X.509-SVID of an entry with admin'),
        key: pem('its key'),
        ca: pem('the trust bundle'),
      },
      description: 'Files of an X.509-SVID that SPIRE lets list entries; the server is known by its SPIFFE ID in the same trust domain.',
    },
  },
}

/** The registration entries, bundles and federated trust domains of SPIRE servers, as objects. */
export const spire: Source<SpireOptions, ObjectSourceContext> = {
  name: 'spire',
  about: 'SPIRE: which workload has which SPIFFE ID, read from the server.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['servers'],
    properties: {
      servers: {
        type: 'array',
        minItems: 1,
        maxItems: 100,
        items: serverOptions,
        expected: 'a list of servers',
        description: 'The servers.',
      },
      every: { type: 'number', minimum: 0.1, maximum: 3600, default: 10, description: 'Seconds between polls.' },
    },
  },
  async run({ servers, every }, context) {
    for (const [at, server] of servers.entries()) check(server, `collect.spire.servers.${at}`)
    const states = new Map<ServerOptions, ServerState>()
    const tell = (server: ServerOptions, state: ServerState) => {
      states.set(server, state)
      const all = [...states.values()]
      const away = all.filter(({ reason }) => reason)
      const reason = away.map(({ address, reason }) => `${address}: ${reason}`).join('; ')
      context.status({ ready: !away.length, reason: reason || undefined, detail: { servers: all } })
    }
    await Promise.all(servers.map(server => follow({ server, everyMs: every * 1000, tell: state => tell(server, state) }, context)))
  },
}

function check({ address, tls }: ServerOptions, setting: string): void {
  const parsed = parseAddress(address, `${setting}.address`)
  if ('host' in parsed && !tls) throw new ConfigError(`${setting}.tls: expected cert, key and ca, as ${address} is no socket, got nothing`)
}
