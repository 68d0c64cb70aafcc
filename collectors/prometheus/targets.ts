import { lookup } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError } from '../../runtime/error.ts'
import { type TlsOptions, parseAddress, tlsSchema } from '../address.ts'
import type { Labels } from '../samples/point.ts'
import type { ScrapeReport } from './scrape-report.ts'
import type { TargetSpec } from './scrape-target.ts'
import type { Scraper } from './scraper.ts'

/** A target as the configuration has it. */
export interface TargetOptions {
  url?: string
  /** host:port, with `path` instead of a URL. */
  address?: string
  path?: string
  /** Whether every address of the host is a target of its own. */
  each_address?: boolean
  job?: string
  labels?: Readonly<Record<string, string>>
  tls?: TlsOptions
  token_file?: string
  /** Seconds. */
  interval?: number
}

export const targetSchema = {
  type: 'object',
  additionalProperties: false,
  anyOf: [{ required: ['url'] }, { required: ['address'] }],
  expected: 'a target with url, or with address and path',
  properties: {
    url: { type: 'string', pattern: '^https?://.+', expected: 'http://… or https://…', description: 'Where the metrics are.' },
    address: { type: 'string', pattern: '^.+:[0-9]+$', expected: 'host:port', description: 'host:port, with path, instead of a url.' },
    path: { type: 'string', default: '/metrics', description: 'Path of the metrics at the address.' },
    each_address: {
      type: 'boolean',
      default: false,
      description: 'Each address the host has, asked for every 30 s, is a target of its own: for headless services.',
    },
    job: { type: 'string', description: 'Label job of its series; the host by default.' },
    labels: { type: 'object', additionalProperties: { type: 'string' }, default: {}, description: 'Labels its series get.' },
    tls: tlsSchema,
    token_file: { type: 'string', description: 'File with a bearer token, read for each scrape.' },
    interval: { type: 'number', exclusiveMinimum: 0, description: 'Seconds between two scrapes; that of the source by default.' },
  },
}

const resolveEveryMs = 30_000
const setting = 'collect.prometheus.targets'

/** A target of the configuration as it is scraped. Throws ConfigError. */
export function specOf(options: TargetOptions, intervalMs: number): TargetSpec {
  const url = urlOf(options)
  const { job = url.hostname, labels = {}, tls, token_file: tokenFile, interval } = options
  const all: Labels = Object.entries({ instance: instanceOf(url), job, ...labels })
  return { url: url.href, labels: all, tls, tokenFile, intervalMs: interval === undefined ? intervalMs : interval * 1000 }
}

/** Host and port, the port of the scheme too. */
const instanceOf = ({ hostname, port, protocol }: URL) => `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`

function urlOf({ url, address = '', path = '/metrics', tls }: TargetOptions): URL {
  if (url === undefined) parseAddress(address, setting)
  const text = url ?? `${tls ? 'https' : 'http'}://${address}${path.startsWith('/') ? '' : '/'}${path}`
  if (!URL.canParse(text)) throw new ConfigError(`${setting}: expected a URL, got ${JSON.stringify(text)}`)
  return new URL(text)
}

/** Scrapes every address of the target's host, asking for them again and again, until the signal is aborted. */
export async function followAddresses(
  spec: TargetSpec,
  { scraper, report, signal }: { scraper: Scraper; report: ScrapeReport; signal: AbortSignal },
): Promise<void> {
  const url = new URL(spec.url)
  const way = `DNS of ${url.hostname}`
  while (!signal.aborted) {
    try {
      const found = await lookup(url.hostname.replace(/^\[|\]$/g, ''), { all: true })
      scraper.set(
        `${way} ${spec.url}`,
        found.map(({ address, family }) => atAddress(spec, url, family === 6 ? `[${address}]` : address)),
      )
      report.finding(way, undefined)
    } catch (error) {
      report.finding(way, error)
    }
    await sleep(resolveEveryMs, undefined, { signal }).catch(() => {})
  }
}

/** The same target at one of its addresses; its certificate is for the name. */
function atAddress(spec: TargetSpec, { hostname, href }: URL, address: string): TargetSpec {
  const url = new URL(href)
  url.hostname = address
  const tls = url.protocol === 'https:' ? { server_name: hostname, ...(typeof spec.tls === 'object' && spec.tls) } : spec.tls
  const own = instanceOf(new URL(href))
  const labels = spec.labels.map(([name, value]) => [name, name === 'instance' && value === own ? instanceOf(url) : value] as const)
  return { ...spec, url: url.href, tls, labels }
}
