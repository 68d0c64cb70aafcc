import { setTimeout as sleep } from 'node:timers/promises'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { type ClickHouse, ClickHouseError, type Inserter } from '../../runtime/clickhouse/client.ts'
import {
  type AttributedKind,
  type Reattribution,
  type Redone,
  currentSql,
  reattributionOf,
  reattributionTable,
} from '../../schema/reattribution.ts'
import type { RecordKind } from '../../schema/record.ts'
import type { Tag } from '../tag.ts'

/** Where rows are kept and how they get there. */
export interface Stores {
  /** Whom to ask for the rows of all shards. */
  reader: ClickHouse
  inserter: Inserter
  /** The servers of each shard, every one of which has all rows of it. */
  shards(): Promise<readonly (readonly ClickHouse[])[]>
}

/** Somebody else goes on with what this process was at. */
export class SupersededError extends Error {
  override name = 'SupersededError'
}

const asRecord: RecordKind = {
  name: reattributionTable.name,
  about: reattributionTable.about,
  version: 1,
  order: reattributionTable.order,
  days: 1,
  fields: {
    changed: { type: 'time', about: '' },
    kind: { type: 'label', about: '' },
    step: { type: 'uint64', about: '' },
    state: { type: 'text', about: '' },
  },
}

/** What was written last of every kind. */
export async function readStates({ reader }: Pick<Stores, 'reader'>, signal?: AbortSignal): Promise<Reattribution[]> {
  const { rows } = await reader.query<{ newest: string }>(currentSql, { signal })
  return rows.map(reattributionOf)
}

export const readState = async (stores: Pick<Stores, 'reader'>, kind: Redone, signal?: AbortSignal) =>
  (await readStates(stores, signal)).find(state => state.kind === kind)

/** Which rows of a kind are to be marked now. */
export async function currentTag(stores: Pick<Stores, 'reader'>, kind: AttributedKind, signal: AbortSignal): Promise<Tag | undefined> {
  const state = await persist(() => readState(stores, kind, signal), signal)
  return state && !state.done ? { revision: state.tag, from: state.from, to: state.to } : undefined
}

/**
 * Writes the state as the step that follows it, and resolves to that. Rejects with a SupersededError when another process has written it:
 * of two inserts under one token only the first counts.
 */
export async function writeState(stores: Stores, state: Reattribution, signal: AbortSignal): Promise<Reattribution> {
  const next = { ...state, step: state.step + 1 }
  const text = JSON.stringify(next)
  const block = new BlockBuilder(asRecord, 1)
  block.add({ changed: Date.now() * 1000, kind: next.kind, step: next.step, state: text })
  const bytes = Buffer.from(block.encode())
  const token = `${reattributionTable.name}:${next.kind}:${next.step}`
  await persist(() => stores.inserter.insertNative(reattributionTable.name, [bytes], { token, shard: 0, signal }), signal)
  const written = await persist(() => readState(stores, next.kind, signal), signal)
  if (JSON.stringify(written) === text) return next
  throw new SupersededError(`another process attributes records of the kind ${next.kind} again`)
}

const longestPauseMs = 5_000

/** Tries until it works or fails for good. */
export async function persist<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 0; ; attempt++)
    try {
      signal.throwIfAborted()
      return await work()
    } catch (error) {
      if (signal.aborted || !(error instanceof ClickHouseError) || !error.retriable) throw error
      await sleep(Math.min(longestPauseMs, 100 * 2 ** attempt), undefined, { signal })
    }
}
