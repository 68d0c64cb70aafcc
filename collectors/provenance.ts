import type { BlockBuilder } from '../runtime/block/builder.ts'
import type { Silent } from './outbox.ts'

interface Provenances {
  peers: Map<string, Set<string>>
  silent?: Silent
}

/** Which agents the records of the blocks that are being filled came from, and where the others were. */
export class Provenance {
  readonly #blocks = new Map<BlockBuilder, Provenances>()

  add(builder: BlockBuilder, peer: string, reporters: Iterable<string>): void {
    const { peers } = this.#of(builder)
    const known = peers.get(peer)
    if (!known) peers.set(peer, new Set(reporters))
    else for (const reporter of reporters) known.add(reporter)
  }

  silent(builder: BlockBuilder, silent: Silent): void {
    this.#of(builder).silent = silent
  }

  /** What is known of a block that is complete, as its headers; forgets it. Reporters are named only where they tell agents apart. */
  take(builder: BlockBuilder): { peers?: string; silent?: string } {
    const block = this.#blocks.get(builder)
    this.#blocks.delete(builder)
    if (!block) return {}
    const isOne = block.peers.size === 1
    const peers = Object.fromEntries([...block.peers].map(([peer, reporters]) => [peer, isOne ? [] : [...reporters]]))
    return { peers: JSON.stringify(peers), ...(block.silent && { silent: JSON.stringify(block.silent) }) }
  }

  #of(builder: BlockBuilder): Provenances {
    const known = this.#blocks.get(builder)
    if (known) return known
    const block = { peers: new Map<string, Set<string>>() }
    this.#blocks.set(builder, block)
    return block
  }
}

/** What `take` wrote into a header; nothing when there is none, or none that can be read. */
export function readHeader<T>(header: string | undefined): Readonly<Record<string, T>> {
  if (!header) return {}
  try {
    return JSON.parse(header) as Record<string, T>
  } catch {
    return {}
  }
}
