import type { BlockBuilder } from '../runtime/block/builder.ts'
import type { Peers } from './outbox.ts'

/** Which agents the records of the blocks that are being filled came from. */
export class Provenance {
  readonly #peers = new Map<BlockBuilder, Map<string, Set<string>>>()

  add(builder: BlockBuilder, peer: string, reporters: Iterable<string>): void {
    const peers = getOrAdd(this.#peers, builder, () => new Map<string, Set<string>>())
    const known = getOrAdd(peers, peer, () => new Set<string>())
    for (const reporter of reporters) known.add(reporter)
  }

  /** What is known of a block that is complete, as its header; forgets it. Reporters are named only where they tell agents apart. */
  take(builder: BlockBuilder): string | undefined {
    const peers = this.#peers.get(builder)
    this.#peers.delete(builder)
    if (!peers) return undefined
    const several = peers.size > 1
    return JSON.stringify(Object.fromEntries([...peers].map(([peer, reporters]) => [peer, several ? [...reporters] : []])))
  }
}

/** What `take` wrote; nothing when there is none, or none that can be read. */
export function peersIn(header: string | undefined): Peers {
  if (!header) return {}
  try {
    return JSON.parse(header) as Peers
  } catch {
    return {}
  }
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
