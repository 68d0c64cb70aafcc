import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../runtime/log.ts'
import type { Outbox } from '../outbox.ts'
import type { Peer } from './peer.ts'

const mostBetweenMs = 2000

export interface HandoverOptions {
  outbox: Pick<Outbox, 'published'>
  signal: AbortSignal
  log: Logger
  /** For so long no other collector must have published what a peer sent; 0 waits for nobody. */
  quietMs: number
  /** Told that another collector still reads a peer. */
  onHeld(peer: Peer, collector: string): void
  /** Learns where to go on with peers that nobody else reads any more. */
  recall(free: readonly Peer[]): Promise<Map<Peer, number>>
}

type Waiting = Map<Peer, PromiseWithResolvers<number | undefined>>

/**
 * Takes peers over from the collectors that had them, once those have let go, so that nothing is read twice. The promise of a peer
 * resolves when it is ours, to the time from which it has to be asked, or to nothing when nothing is known of it.
 */
export function takeOver(peers: readonly Peer[], options: HandoverOptions): Map<Peer, Promise<number | undefined>> {
  const waiting: Waiting = new Map(peers.map(peer => [peer, Promise.withResolvers()]))
  const ours = new Map([...waiting].map(([peer, { promise }]) => [peer, promise]))
  release(waiting, options).catch(error => waiting.forEach(({ reject }) => reject(error)))
  return ours
}

async function release(waiting: Waiting, { signal, log, quietMs, onHeld, recall, outbox }: HandoverOptions): Promise<void> {
  const told = new Set<Peer>()
  while (waiting.size && !signal.aborted) {
    const held = quietMs ? await heldByOthers([...waiting.keys()], quietMs, outbox) : new Map<Peer, string>()
    const free = [...waiting.keys()].filter(peer => !held.has(peer))
    const goOn = free.length ? await recall(free) : undefined
    for (const peer of free) {
      waiting.get(peer)!.resolve(goOn?.get(peer))
      waiting.delete(peer)
    }
    for (const [peer, collector] of held) {
      if (!told.has(peer)) log.info({ address: peer.address, collector }, 'waiting for another collector to let go of a peer')
      told.add(peer)
      onHeld(peer, collector)
    }
    if (waiting.size) await sleep(Math.min(mostBetweenMs, quietMs / 4), undefined, { signal }).catch(() => {})
  }
  // Who still waits finds the signal aborted.
  for (const { resolve } of waiting.values()) resolve(undefined)
}

/** The peers that others had flows from lately, and the collector that had. */
async function heldByOthers(peers: readonly Peer[], quietMs: number, outbox: Pick<Outbox, 'published'>): Promise<Map<Peer, string>> {
  const held = new Map<Peer, string>()
  const among = (senders: object) => peers.filter(({ address }) => Object.hasOwn(senders, address))
  const others = outbox.published('flow', quietMs, ({ own, peers: senders }) => !own && among(senders).length > 0)
  for await (const { collector, peers: senders } of others)
    for (const peer of among(senders)) if (!held.has(peer)) held.set(peer, collector)
  return held
}
