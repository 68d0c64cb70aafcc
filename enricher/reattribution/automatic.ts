import { rollupTable } from '../../schema/clickhouse.ts'
import { type AttributedKind, attributedKind, attributedKinds, hourSeconds, seenSql } from '../../schema/reattribution.ts'
import { spanEdge } from '../../schema/span-edge.ts'
import { sumOf } from './changes.ts'
import { wouldChange } from './dry-run.ts'
import { reattribute } from './run.ts'
import type { Running } from './running.ts'
import { readStates } from './store.ts'

/** Looks for records that were stored provisionally and are known better now. */
export interface Automatic {
  look(signal: AbortSignal): Promise<void>
}

/** What is not known better after so long stays as it is. */
const longestSeconds = 86_400

export interface Looking extends Running {
  /** Hours that began before are left alone: of their objects not all is known any more. Microseconds; all are known when absent. */
  knownSince?(): number
}

interface Hour {
  kind: AttributedKind
  hour: number
}

const nameOf = ({ kind, hour }: Hour) => `${kind}/${hour}`

/**
 * Which hours have such records the rollups say, so that nothing is forgotten with a process. An hour that would not change is looked at
 * again after twice as long.
 */
export function openAutomatic(running: Looking, everyMs: number): Automatic {
  const waits = new Map<string, { until: number; ms: number }>()

  async function changing(hours: readonly Hour[], signal: AbortSignal): Promise<Hour[]> {
    const found: Hour[] = []
    for (const one of hours) {
      const { kind, hour } = one
      const { changes } = await wouldChange({ kind, from: hour, to: hour + hourSeconds, provisional: true }, running, signal)
      if (sumOf(changes) > 0) found.push(one)
      else waitLonger(nameOf(one))
    }
    return found
  }

  function waitLonger(name: string) {
    const ms = Math.min((waits.get(name)?.ms ?? everyMs / 2) * 2, longestSeconds * 1000)
    waits.set(name, { until: Date.now() + ms, ms })
  }

  async function again(hours: readonly Hour[], signal: AbortSignal) {
    for (const [kind, of] of Map.groupBy(hours, ({ kind }) => kind)) {
      const [from, to] = [of[0].hour, of.at(-1)!.hour + hourSeconds]
      const { rows, changes } = await reattribute(
        { id: `provisional:${kind}:${Date.now()}`, kind, from, to, provisional: true },
        running,
        signal,
      )
      running.log.info(
        { kind, from: new Date(from * 1000).toISOString(), hours: of.length, rows, ends: sumOf(changes) },
        'known better now',
      )
      for (const one of of) waits.delete(nameOf(one))
    }
  }

  return {
    async look(signal) {
      await goOn(running, signal)
      const hours = await provisionalHours(running, signal)
      const names = new Set(hours.map(nameOf))
      for (const name of waits.keys()) if (!names.has(name)) waits.delete(name)
      await again(
        await changing(
          hours.filter(one => (waits.get(nameOf(one))?.until ?? 0) <= Date.now()),
          signal,
        ),
        signal,
      )
    },
  }
}

/** What somebody began and did not finish; edges with their spans. */
async function goOn(running: Running, signal: AbortSignal): Promise<void> {
  for (const { done, kind, ...request } of await readStates(running.stores, signal))
    if (!done && kind !== spanEdge.name) await reattribute({ kind, ...request }, running, signal)
}

async function provisionalHours({ stores, knownSince = () => 0 }: Looking, signal: AbortSignal): Promise<Hour[]> {
  const since = Math.ceil(Math.max(0, knownSince() / 1e6))
  const states = await readStates(stores, signal)
  const select = attributedKinds.map(kind => {
    const state = states.find(one => one.kind === kind)
    const seen = (state && seenSql(state, 'bucket')) ?? '1'
    const table = rollupTable(attributedKind(kind), { suffix: '1m' })
    return `SELECT DISTINCT '${kind}' AS kind, toUnixTimestamp(toStartOfHour(bucket)) AS hour FROM ${table}
WHERE provisional AND bucket >= now() - ${longestSeconds} AND toUnixTimestamp(toStartOfHour(bucket)) >= ${since} AND ${seen}`
  })
  return (await stores.reader.query<Hour>(`SELECT kind, hour FROM (${select.join(' UNION ALL ')}) ORDER BY kind, hour`, { signal })).rows
}
