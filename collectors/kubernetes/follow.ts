import { setTimeout as sleep } from 'node:timers/promises'
import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import type { ObjectSourceContext } from '../source.ts'
import { type Api, ApiError } from './api.ts'
import type { ClockOffset } from './clock.ts'
import { Followed } from './followed.ts'
import { History } from './history.ts'
import { Lag } from './lag.ts'
import { Objects } from './objects.ts'
import { type Timing, usualTiming } from './reflector.ts'
import type { ClusterReport } from './report.ts'
import { resourceOf, resources } from './resource.ts'
import { Teller } from './teller.ts'

export const sourceName = 'kubernetes'

const heartbeatMs = 1000
const probeMs = 2000
/** What other objects say of a pod is waited for so long: they speak one after the other. */
const settleMs = 250
/** After the API server was away for so long, nobody knows whether connections still lead anywhere. */
const doubtMs = 10_000
/** What the server sent before its answer to the probe has come by then. */
const arriveMs = 50
/** What ended so long before a start is not told again. */
const recentMicros = 3_600_000_000

interface FollowOptions {
  name: string
  api: Api
  clock: ClockOffset
  report: ClusterReport
  timing?: Timing
}

/** Follows all objects of a cluster until the signal is aborted: tells of every version, and up to when all was told. */
export async function followCluster(options: FollowOptions, context: ObjectSourceContext): Promise<void> {
  const { name: cluster, api, clock, report, timing = usualTiming } = options
  const { objects: log, outbox, instruments, signal } = context
  using lag = new Lag()
  const teller = new Teller(log)
  const tell = (version: ObjectVersion) => {
    instruments.sent(1)
    return teller.tell(version)
  }
  const history = new History({ source: sourceName, cluster }, tell)
  const objects = new Objects(history, ms => (ms + clock.ms) * 1000)
  const sure = takeUp(history, await log.standing(sourceName, cluster, Date.now() * 1000 - recentMicros))
  const follow = (resource: (typeof resources)[number]) =>
    new Followed(resource, {
      api,
      cluster,
      taker: objects.taker(resource),
      lag,
      sure,
      timing,
      signal,
      ready: () => teller.ready(),
      onState: followed => report.changed(followed),
      outbox,
      instruments,
    })
  const followed = resources.map(follow)
  report.follow(followed, history)

  const pulse = new Pulse(followed, { cluster, api, lag, objects, teller, tell, report, signal })
  await Promise.all([teller.run(signal), pulse.run(), ...followed.map(each => runInTurn(each, followed, signal))])
}

/** What was told before this start; returns up to when it was complete, in microseconds, or 0. */
function takeUp(history: History, told: ObjectVersion[]): number {
  let sure = 0
  const byResource = Map.groupBy(told, version => {
    if (version.kind === 'cluster') sure = Math.max(sure, version.time ?? 0)
    return resourceOf(version)?.name ?? ''
  })
  byResource.delete('')
  for (const [resource, versions] of byResource) history.restore(resource, versions)
  return sure
}

/** Pods begin when it is known whose they are, so that they are told once. */
async function runInTurn(followed: Followed, all: readonly Followed[], signal: AbortSignal): Promise<void> {
  const isReady = () => all.every(({ resource, reflector }) => !resource.beforePods || reflector.settled)
  if (followed.resource.name === 'pods') while (!signal.aborted && !isReady()) await sleep(20, undefined, { signal }).catch(() => {})
  await followed.reflector.run()
}

interface PulseOptions {
  cluster: string
  api: Api
  lag: Lag
  objects: Objects
  teller: Teller
  tell(version: ObjectVersion): number
  report: ClusterReport
  signal: AbortSignal
}

/** Says again and again up to when all was told: as long as every watch that matters is open and the server answers. */
class Pulse {
  readonly #followed: readonly Followed[]
  readonly #options: PulseOptions
  #answeredAt = Date.now()
  #isAway = false
  /** How many had been told with the last heartbeat. */
  #beaten = 0

  constructor(followed: readonly Followed[], options: PulseOptions) {
    this.#followed = followed
    this.#options = options
  }

  async run(): Promise<void> {
    const { signal, report } = this.#options
    const settling = setInterval(() => this.#settle(), settleMs)
    signal.addEventListener('abort', () => clearInterval(settling), { once: true })
    while (!signal.aborted) {
      const begun = Date.now()
      const alive = this.#followed.filter(({ alive }) => alive)
      const isAnswered = await this.#probe()
      if (signal.aborted) return
      this.#options.lag.answered(Math.max(0, Date.now() - begun - arriveMs))
      this.#settle()
      if (isAnswered) this.#beat(begun, alive)
      report.tell()
      // Not quite regular, so that the server's seconds are seen at all their parts.
      await sleep(Math.max(0, begun + heartbeatMs * (1 + Math.random() / 10) - Date.now()), undefined, { signal }).catch(() => {})
    }
  }

  #settle(): void {
    const now = Date.now() * 1000
    this.#options.objects.settle({ at: now, sure: now, since: now })
  }

  /** Asks for something small that the server must look up. */
  async #probe(): Promise<boolean> {
    const { api, signal, report } = this.#options
    const seen = this.#followed.map(followed => ({ followed, version: followed.reflector.version }))
    try {
      const version = await api
        .get<{ metadata?: { resourceVersion?: string } }>('/api/v1/namespaces', { limit: 1 }, { timeoutMs: probeMs, signal })
        .then(({ body }) => body.metadata?.resourceVersion, unlessForbidden)
      if (Date.now() - this.#answeredAt > doubtMs) this.#doubt()
      this.#answeredAt = Date.now()
      this.#wake()
      this.#notice(seen, version ?? '')
      report.answered()
      await sleep(arriveMs, undefined, { signal })
      return true
    } catch (error) {
      this.#isAway = true
      if (!signal.aborted) report.unanswered(error)
      return false
    }
  }

  #beat(begun: number, alive: readonly Followed[]): void {
    const { cluster, teller, tell, report } = this.#options
    const time = begun * 1000
    for (const followed of alive) if (followed.alive) followed.isSureUntil(time)
    const isWhole = this.#followed.every(each => !each.resource.vital || (alive.includes(each) && each.alive))
    // One that still waits for the bus is followed by no other.
    if (!isWhole || teller.published < this.#beaten) return
    this.#beaten = tell({
      source: sourceName,
      cluster,
      kind: 'cluster',
      name: cluster,
      uid: cluster,
      time,
      valid_from: 0,
      valid_to: openEnd,
    })
    report.beat(time)
  }

  /** Whoever waits before he tries again need not. */
  #wake(): void {
    if (!this.#isAway) return
    this.#isAway = false
    for (const { reflector } of this.#followed) if (reflector.phase === 'failing') reflector.reconnect()
  }

  #doubt(): void {
    for (const { resource, reflector } of this.#followed) if (resource.vital) reflector.reconnect()
  }

  /** A server that knows less than we had seen when it was asked has been set back: what was seen may never have been. Versions grow. */
  #notice(seen: readonly { followed: Followed; version: string }[], now: string): void {
    const isNumber = (version: string) => /^\d+$/.test(version)
    const isAhead = ({ version }: { version: string }) => isNumber(version) && isNumber(now) && BigInt(version) > BigInt(now)
    // What is optional may come from other servers, which count by themselves.
    for (const each of seen) if (!each.followed.resource.optional && isAhead(each)) each.followed.reflector.relist()
  }
}

/** Who says that we may not know is there. */
function unlessForbidden(error: unknown): undefined {
  if (!(error instanceof ApiError && error.status === 403)) throw error
}
