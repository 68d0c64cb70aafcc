import { type TlsOptions, parseAddress, tlsSchema } from '../address.ts'
import type { Source, SourceContext } from '../source.ts'
import { Counted } from './counted.ts'
import { follow } from './follow.ts'
import { Intake } from './intake.ts'
import { recall } from './recall.ts'

const defaultRemember = 500_000

export interface GoldmaneOptions {
  /** host:port of Goldmane. */
  address: string
  tls?: TlsOptions
  cluster?: string
  /** How many seconds back to begin when nothing was collected before. */
  history?: number
  /** How many flows of an interval are recognised when they are told again. */
  remember?: number
}

/** Flows of Calico, from Goldmane. */
export const goldmane: Source<GoldmaneOptions> = {
  name: 'goldmane',
  about: 'Flows of Calico with their policies, from Goldmane.',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['address'],
    properties: {
      address: {
        type: 'string',
        pattern: '^(unix:.+|.+:[0-9]+)$',
        expected: 'host:port',
        description: 'Goldmane, as goldmane.calico-system.svc:7443.',
      },
      tls: { ...tlsSchema, default: true },
      cluster: { type: 'string', default: '', description: 'Cluster whose flows these are: Goldmane does not say.' },
      history: {
        type: 'integer',
        minimum: 0,
        maximum: 3600,
        default: 0,
        description: 'Seconds back to begin when nothing was collected before; Goldmane keeps an hour.',
      },
      remember: {
        type: 'integer',
        minimum: 10_000,
        default: defaultRemember,
        description: 'Flows of an interval that are recognised when they are told again.',
      },
    },
  },
  run,
}

async function run(options: GoldmaneOptions, context: SourceContext): Promise<void> {
  const { address, tls = true, cluster = '', history = 0, remember = defaultRemember } = options
  parseAddress(address, 'collect.goldmane.address')
  const counted = new Counted(remember)
  await recall(context.outbox, counted, remember)
  if (counted.newest) context.log.info({ address, since: new Date(counted.newest * 1000) }, 'going on from what was collected before')
  const intake = new Intake(context, { source: goldmane.name, cluster, counted })
  context.status({ ready: false, reason: 'connecting', detail: { address } })
  await follow({ address, tls, cluster, history, counted, intake }, context)
}
