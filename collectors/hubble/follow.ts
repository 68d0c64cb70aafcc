import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from '../../runtime/log.ts'
import type { SourceContext } from '../source.ts'
import { type TlsOptions, parseAddress } from '../address.ts'
import type { FlowFilter } from './filters.ts'
import type { Intake } from './intake.ts'
import { type Observer, type ObserverNode, type ServerStatus, openObserver } from './observer.ts'
import type { Peer } from './peer.ts'
import { resumeFrom } from './recall.ts'

const pollMs = 10_000
const steadyMs = 10_000
const firstRetryMs = 250
const lastRetryMs = 15_000

/** What we know of the server, for quality. */
export interface Server {
  status?: ServerStatus
  nodes?: ObserverNode[]
}

export interface FollowOptions {
  tls: TlsOptions
  windowBytes: number
  allow: readonly FlowFilter[]
  deny: readonly FlowFilter[]
  /** Where to begin, in microseconds; without it only new flows come. */
  since?: number
  intake: Intake
  /** Told at every change: why nothing comes from this peer, and nothing when all is well. */
  onState(reason: string | undefined, server: Server): void
}

/** Follows one peer until the signal is aborted, and opens the stream again whenever it ends. */
export async function followPeer(
  peer: Peer,
  options: FollowOptions,
  { signal, log }: Pick<SourceContext, 'signal' | 'log'>,
): Promise<void> {
  const { tls, windowBytes, allow, deny, intake, onState } = options
  const { address } = peer
  const where = parseAddress(address, 'collect.hubble.address')
  const server: Server = {}
  let { since } = options
  let away: string | undefined
  let opened: number | undefined
  for (let failures = 0; !signal.aborted; failures++) {
    const started = Date.now()
    try {
      await using observer = await openObserver({ address: where, tls, windowBytes })
      server.status = await observer.serverStatus()
      if (away !== undefined || !failures) log.info({ address, version: server.status.version }, 'following Hubble')
      away = undefined
      const report = () => onState(undefined, server)
      report()
      intake.expectOverlap(peer)
      opened ??= Date.now() * 1000
      const work = () => observer.flows({ since, allow, deny }, signal, framing => intake.take(framing, peer))
      await whilePolling(observer, server, report, work)
      throw new Error('Hubble ended the stream')
    } catch (error) {
      if (signal.aborted) return
      if (away === undefined)
        log.warn({ address, error }, opened === undefined ? 'cannot reach Hubble yet, trying again' : 'Hubble went away')
      away = describe(error)
      onState(away, server)
    }
    if (Date.now() - started > steadyMs) failures = 0
    since = resumeFrom(peer.nodes) ?? since ?? opened
    const delayMs = Math.min(lastRetryMs, firstRetryMs * 2 ** failures) * (0.5 + Math.random())
    await sleep(delayMs, undefined, { signal }).catch(() => {})
  }
}

/** Asks the server how it is every few seconds while the work lasts. */
async function whilePolling(observer: Observer, server: Server, report: () => void, work: () => Promise<void>): Promise<void> {
  const ended = new AbortController()
  void (async () => {
    while (!ended.signal.aborted) {
      try {
        server.nodes = await observer.nodes()
        server.status = await observer.serverStatus()
      } catch {
        // The stream tells when the connection is gone; what is known of the server grows old until then.
      }
      if (!ended.signal.aborted) report()
      await sleep(pollMs, undefined, { signal: ended.signal }).catch(() => {})
    }
  })()
  try {
    await work()
  } finally {
    ended.abort()
  }
}
