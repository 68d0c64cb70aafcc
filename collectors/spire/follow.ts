import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from '../../runtime/log.ts'
import type { ObjectVersion } from '../../schema/object.ts'
import { parseAddress } from '../address.ts'
import { ForgottenError } from '../objects.ts'
import type { ObjectSourceContext } from '../source.ts'
import type { AdminSvid } from './connection.ts'
import { Ledger } from './ledger.ts'
import { type Snapshot, readServer } from './server.ts'
import { readSnapshot } from './versions.ts'

export interface ServerOptions {
  address: string
  /** Cluster whose pods get their identities there. */
  cluster?: string
  tls?: AdminSvid
}

/** How a server is doing, as quality shows it. */
export interface ServerState {
  address: string
  cluster: string
  trust_domain?: string
  entries?: number
  /** Of the last complete poll. */
  polled?: string
  poll_ms?: number
  reason?: string
}

export interface Following {
  server: ServerOptions
  everyMs: number
  tell(state: ServerState): void
}

const now = () => Date.now() * 1000

/** Polls a SPIRE server until the signal is aborted. One that is away is asked again at the next turn; what was known of it stays. */
export async function follow({ server, everyMs, tell }: Following, context: ObjectSourceContext): Promise<void> {
  const { signal, log } = context
  const { address: text, cluster = '', tls } = server
  const address = parseAddress(text, 'collect.spire.servers.address')
  let state: ServerState = { address: text, cluster, reason: 'not asked yet' }
  let ledgers: Ledgers | undefined
  while (!signal.aborted) {
    const began = now()
    try {
      const snapshot = await readServer(address, tls, signal)
      ledgers ??= new Ledgers(await context.objects.standing('spire', cluster))
      await takeIn(snapshot, { cluster, ledgers, began }, context)
      if (state.reason) log.info({ address: text, entries: snapshot.entries.length }, 'following SPIRE')
      state = stateOf(state, snapshot, began)
    } catch (error) {
      if (signal.aborted) return
      // Some of it may have been told: the bus knows.
      if (error instanceof ForgottenError) ledgers = undefined
      if (!state.reason || !state.polled) log.warn({ address: text, error }, 'cannot ask SPIRE, trying again')
      state = { ...state, reason: describe(error) }
    }
    tell(state)
    await sleep(Math.max(0, everyMs - (now() - began) / 1000), undefined, { signal }).catch(() => {})
  }
}

function stateOf({ address, cluster }: ServerState, { own, entries }: Snapshot, began: number): ServerState {
  const polled = new Date(began / 1000).toISOString()
  return { address, cluster, trust_domain: own.trust_domain, entries: entries.length, polled, poll_ms: Math.round((now() - began) / 1000) }
}

/** A ledger for each trust domain: behind an address may come to stand the server of another. */
class Ledgers {
  readonly #standing: readonly ObjectVersion[]
  readonly #byDomain = new Map<string, Ledger>()

  constructor(standing: readonly ObjectVersion[]) {
    this.#standing = standing
  }

  of(domain: string): Ledger {
    let ledger = this.#byDomain.get(domain)
    if (!ledger) this.#byDomain.set(domain, (ledger = new Ledger(this.#standing.filter(version => isOf(version, domain)))))
    return ledger
  }
}

const isOf = ({ kind, uid = '', spiffe_id = '' }: ObjectVersion, domain: string) =>
  kind === 'trust_domain' ? uid.startsWith(`${domain}/`) : `${spiffe_id}/`.startsWith(`spiffe://${domain}/`)

async function takeIn(
  snapshot: Snapshot,
  { cluster, ledgers, began }: { cluster: string; ledgers: Ledgers; began: number },
  { objects, instruments }: ObjectSourceContext,
): Promise<void> {
  const { seen, unreadable, overLimit } = readSnapshot(snapshot, cluster)
  const { versions, unchanged } = ledgers.of(snapshot.own.trust_domain).take(seen, { began, ended: now() })
  instruments.received(seen.length + unreadable + overLimit)
  instruments.discarded(unreadable, 'undecodable')
  instruments.discarded(overLimit, 'over_limit')
  instruments.discarded(unchanged, 'repeated')
  await objects.publish(versions)
}
