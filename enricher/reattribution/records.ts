import { rollupTable, rollups } from '../../schema/clickhouse.ts'
import { type AttributedKind, attributedKind, hourSeconds } from '../../schema/reattribution.ts'
import type { RecordKind } from '../../schema/record.ts'
import { copyHour } from './copy.ts'
import { edgesOf, reaching } from './edges.ts'
import { untilTagged } from './fence.ts'
import { redo } from './redo.ts'
import type { Running } from './running.ts'
import { type Stores, persist } from './store.ts'
import type { Subject, Window } from './subject.ts'

const hourOf = (seconds: number) => Math.floor(seconds / hourSeconds) * hourSeconds

/** Records of a kind with their rollups, attributed by what is known now: all, or those that were stored provisionally. */
export function recordsOf(name: AttributedKind, { provisional }: { provisional: boolean }, running: Running, signal: AbortSignal): Subject {
  const { stores, bus, group, maxRows } = running
  const kind = attributedKind(name)
  let steps = running.steps()
  return {
    kind: name,
    tables: [{ name, time: 'time' }, ...rollups.map(rollup => ({ name: rollupTable(kind, rollup), time: 'bucket' }))],
    extent: window => persist(() => readExtent(kind, { ...window, wanted: provisional ? 'provisional' : '1' }, stores, signal), signal),
    async open(state) {
      const prepared = await running.prepare?.(state, signal)
      if (prepared) steps = prepared.steps
      return prepared
    },
    async prepare(state, onWait) {
      const { tag: revision, from, to } = state
      const onPartitions = (partitions: readonly string[]) => onWait(`for the records that come before it in ${partitions.join(', ')}`)
      await untilTagged({ bus, group, kind, onWait: onPartitions }, { revision, from, to }, signal)
    },
    copy: (state, { from }, copy, onRows) => copyHour({ kind, stores, steps, signal, maxRows, onRows }, state, from, copy),
    async finish({ id, from, to }, onWait) {
      if (name !== 'span') return
      onWait('for the edges of its spans, which are made again')
      const request = { id: `${id}:edges`, ...reaching({ from, to }), provisional: false }
      await redo(request, () => edgesOf(running, signal), { ...running, onProgress: undefined }, signal)
    },
  }
}

/** The hours of the window that have records to replace, and the highest revision of any in it. */
async function readExtent(
  kind: RecordKind,
  { from, to, wanted }: Window & { wanted: string },
  { reader }: Stores,
  signal: AbortSignal,
): Promise<Window & { highest: number }> {
  const within = (time: string) => `${time} >= toDateTime(${from}, 'UTC') AND ${time} < toDateTime(${to}, 'UTC')`
  const highest = rollups.map(rollup => `(SELECT max(revision) FROM ${rollupTable(kind, rollup)} WHERE ${within('bucket')})`)
  const sql = `SELECT countIf(${wanted}) AS count, toUnixTimestamp(minIf(time, ${wanted})) AS first, toUnixTimestamp(maxIf(time, ${wanted})) AS last,
  greatest(max(revision), ${highest.join(', ')}) AS highest
FROM ${kind.name} WHERE ${within('time')}`
  type Extent = { count: number; first: number; last: number; highest: number }
  const [{ count, first, last, highest: revision }] = (await reader.query<Extent>(sql, { signal })).rows
  return count === 0 ? { from, to: from, highest: revision } : { from: hourOf(first), to: hourOf(last) + hourSeconds, highest: revision }
}
