import { buffer } from 'node:stream/consumers'
import { rollupTable } from '../../schema/clickhouse.ts'
import { type Reattribution, replacedSql } from '../../schema/reattribution.ts'
import { kinds } from '../../schema/record.ts'
import { spanEdge } from '../../schema/span-edge.ts'
import { dueAt, statementSettings, untilMade } from '../edges/edges.ts'
import { edgesSql, reachSeconds, windowSeconds } from '../edges/sql.ts'
import type { Running } from './running.ts'
import { persist } from './store.ts'
import type { Subject, Window } from './subject.ts'

/** How much farther ahead than ours the clock of another enricher may be, which makes edges that we think are not due yet. */
const clocksDiffer = 60

const columns = spanEdge.columns.map(({ name }) => name).filter(name => name !== 'revision')
const minutes = rollupTable(kinds.span, { suffix: '1m' })

const at = (seconds: number) => `toDateTime(${seconds}, 'UTC')`
const within = (time: string, { from, to }: Window) => `${time} >= ${at(from)} AND ${time} < ${at(to)}`

/** Windows in which spans of a window have a part: a pair may lie on both sides of its border. */
export const reaching = ({ from, to }: Window): Window => ({ from: Math.max(0, from - windowSeconds), to: to + windowSeconds })

/**
 * Edges of spans, made of the spans as they are now. A window some of whose spans are gone keeps the edges it has. Windows that are not due
 * yet are left to those who make them first.
 */
export function edgesOf(running: Running, signal: AbortSignal): Subject {
  const { stores, bus, group, log } = running
  const { reader, inserter } = stores
  const ask = async <T>(sql: string) => (await persist(() => reader.query<T>(sql, { settings: statementSettings, signal }), signal)).rows[0]

  /** The rollup is asked first: it tells of what comes meanwhile a moment later. */
  async function isWhole(from: number): Promise<boolean> {
    const range = { from: from - reachSeconds, to: from + windowSeconds + reachSeconds }
    const { told } = await ask<{ told: number }>(`SELECT sum(records) AS told FROM ${minutes} WHERE ${within('bucket', range)}`)
    const { there } = await ask<{ there: number }>(`SELECT count() AS there FROM ${kinds.span.name} WHERE ${within('time', range)}`)
    return there > 0 && there >= told
  }

  async function copyWindow(state: Reattribution, from: number, copy: number): Promise<void> {
    const sql = (await isWhole(from)) ? edgesSql({ revision: copy }) : keptSql(state, from, copy)
    const read = () => reader.stream(`${sql} FORMAT Native`, { params: { from }, settings: statementSettings, signal })
    const block = await persist(async () => buffer(await read()), signal)
    const token = `${spanEdge.name}:again:${copy}:${from}`
    await persist(() => inserter.insertNative(spanEdge.name, [block], { token, shard: 0, signal }), signal)
  }

  return {
    kind: spanEdge.name,
    tables: [{ name: spanEdge.name, time: 'bucket' }],
    async extent({ from, to }) {
      const due = dueAt(Date.now() / 1000 + clocksDiffer)
      const window = { from, to: Math.max(from, Math.min(to, Math.floor(due / windowSeconds) * windowSeconds)) }
      const highest = await ask<{ highest: number }>(
        `SELECT max(revision) AS highest FROM ${spanEdge.name} WHERE ${within('bucket', window)}`,
      )
      return { ...window, ...highest }
    },
    open: async () => undefined,
    // Whoever is at one of these windows still, with ends as they were, is too late then: it counts once.
    prepare: ({ to }, onWait) =>
      untilMade({ reader, inserter, bus, group, log }, to, signal, () => onWait('for edges of spans that are made for the first time')),
    async copy(state, { from, to }, copy) {
      for (let start = from; start < to; start += windowSeconds) await copyWindow(state, start, copy)
      return { rows: 0, changes: {} }
    },
    finish: async () => {},
  }
}

/** The edges that a window has, once more. */
const keptSql = (state: Reattribution, from: number, copy: number) =>
  `SELECT ${columns.join(', ')}, toUInt32(${copy}) AS revision
FROM (SELECT * FROM ${spanEdge.name} WHERE ${within('bucket', { from, to: from + windowSeconds })} AND ${replacedSql(state)})`
