import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '../../runtime/bus/bus.ts'
import type { Logger } from '../../runtime/log.ts'
import type { ObjectVersion } from '../../schema/object.ts'
import { openObjectLog } from '../objects.ts'
import { Lives } from './lives.ts'
import { asKnownAt, changesBetween, versionsBetween } from './objects.ts'
import { type Plan, openPlan, writePlan } from './plan.ts'
import { serveHubble } from './server.ts'
import { hour, minute, second } from './story.ts'

export { maxRate } from './plan.ts'
export { type Truth, truth } from './truth.ts'

export interface DemoOptions {
  bus: Bus
  /** Where `demo.json` is kept. */
  dataDir: string
  /** Flows a second. */
  rate?: number
  /** Of the first start; a random one otherwise. */
  seed?: number
  listen?: { host?: string; port?: number }
  log: Logger
  signal: AbortSignal
  /** Milliseconds since 1970. */
  now?: () => number
}

/** So many seconds ahead the plan says that flows may have been served. */
const leaseSeconds = 15

/**
 * Starts the made-up cluster: its objects on the bus, its flows on a Hubble Relay of its own at `address`.
 * The flows of a second are served once the objects of that second are durable on the bus.
 */
export async function runDemo({
  bus,
  dataDir,
  rate = 200,
  seed,
  listen = {},
  log,
  signal,
  now = Date.now,
}: DemoOptions): Promise<{ address: string } & AsyncDisposable> {
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const { plan, before } = await openPlan({ dataDir, rate, seed, now: Math.floor(now() / 1000) })
  const origin = { seed: plan.seed, anchor: plan.anchor * second }
  const lives = new Lives(origin.seed, origin.anchor)
  const { publish } = openObjectLog({ bus, collector: 'demo', log, signal: either })
  const endOfSecond = () => (Math.floor(now() / 1000) + 1) * second

  let published = endOfSecond()
  await publish(historyUntil(published, before, (from, to) => versionsBetween(origin, lives, from, to)))
  await extendLease(dataDir, plan, published)
  const server = await serveHubble({ plan, listen, log, ready: () => Math.min(now() * 1000, published) })

  /** Tells of the next second, and of all that were missed while the bus or the disk did not take any. */
  async function advance(): Promise<void> {
    const next = endOfSecond()
    if (next <= published) return
    await publish(changesBetween(origin, lives, published, next))
    await extendLease(dataDir, plan, next)
    published = next
  }

  async function live(): Promise<void> {
    while (!either.aborted) {
      await advance().catch(error => either.aborted || log.error({ error }, 'the demo cannot go on, trying again'))
      await sleep(1000 - (now() % 1000), undefined, { signal: either }).catch(() => {})
    }
  }
  const ended = live()
  log.info({ address: server.address, rate, seed: plan.seed }, 'the demo serves Hubble')
  return {
    address: server.address,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await server[Symbol.asyncDispose]()
      await ended
      await writePlan(dataDir, { ...plan, servedBefore: published / second })
    },
  }
}

/** All versions of the last hour; after a longer break also those that were open when it began, which may have ended since. */
function historyUntil(
  now: number,
  before: Plan | undefined,
  between: (from: number, to: number) => ReturnType<typeof versionsBetween>,
): ObjectVersion[] {
  const versions = new Map(between(now - hour - second, now).map(version => [`${version.uid}/${version.valid_from}`, version]))
  if (before) {
    const left = before.servedBefore * second
    for (const version of between(left - 2 * minute, left)) versions.set(`${version.uid}/${version.valid_from}`, version)
  }
  const known = [...versions.values()].map(version => asKnownAt(version, now - 1)).filter(version => version !== undefined)
  return known.sort((a, b) => (a.time ?? 0) - (b.time ?? 0))
}

/** Writes down, before any flow up to `until` is served, that it may have been. */
async function extendLease(dataDir: string, plan: Plan, until: number): Promise<void> {
  const seconds = until / second
  if (plan.servedBefore >= seconds) return
  plan.servedBefore = seconds + leaseSeconds
  await writePlan(dataDir, plan)
}
