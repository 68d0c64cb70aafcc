import { type Ranking, type RankingName, edgeNumber, finerEdgeFields, placeNumber, rankings, viewNumber } from '../schema/ranking.ts'

const text = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const oneOf = (values: readonly string[]) => (values.length === 1 ? `= ${text(values[0])}` : `IN (${values.map(text).join(', ')})`)

/** Conditions on rows that count in some ranking: those all rankings share, then whether a row meets the rest of one of them. */
export function amongSql(names: readonly RankingName[]): string[] {
  const shared = sharedConditions(names)
  const rests = names.map(name => restOf(name, shared))
  if (names.length === 0 || rests.some(rest => rest.length === 0)) return shared
  return [...shared, `(${rests.map(rest => rest.join(' AND ')).join(' OR ')})`]
}

/** What all the rankings ask of a row. */
export function sharedConditions([first, ...others]: readonly RankingName[]): string[] {
  return first ? amongOf(first).filter(condition => others.every(name => amongOf(name).includes(condition))) : []
}

const amongOf = (name: RankingName) => (rankings[name] as Ranking).among
const restOf = (name: RankingName, met: readonly string[]) => amongOf(name).filter(condition => !met.includes(condition))

/**
 * Which view of its edge a row is, as a number: its rank, and a fraction that only decides between views that rank alike. Below 1 is what
 * does not count at all; `met` are conditions that hold for all rows.
 */
function viewSql(name: RankingName, { met, last: hasLast }: RankedRows): string {
  const { order }: Ranking = rankings[name]
  const last = hasLast ? lastOf(name) : []
  const lasts = last.map((pattern, i) => `${patternSql(pattern)}, ${last.length - i}`)
  const ranks = order.map((pattern, i) => `${patternSql(pattern)}, ${last.length + order.length + 1 - i}`)
  const rest = restOf(name, met)
  const not = rest.length > 0 ? [`NOT (${rest.join(' AND ')}), 0`] : []
  return `multiIf(\n${[...not, ...lasts, ...ranks, last.length + 1].join(',\n').replace(/^/gm, '  ')}\n) + view`
}

const lastOf = (name: RankingName) => (rankings[name] as Ranking).last ?? []

function patternSql(pattern: Ranking['order'][number]): string {
  return Object.entries(pattern)
    .filter(([, values]) => values)
    .map(([field, values]) => `${field} ${oneOf(values)}`)
    .join(' AND ')
}

/** Which edge a row belongs to, in which interval; rows of one edge have the same number. Rollups have the edge stored. */
function edgeSql({ kind, by, stored }: RankedRows): string {
  const finer = finerEdgeFields.filter(name => by.includes(name))
  return `cityHash64(${['bucket', stored ? 'edge' : edgeNumber(kind), ...finer].join(', ')})`
}

/** The column with the number of a row's view. */
export const viewColumn = (name: RankingName) => `${name}_view`

/** The column with what a row's view competes in: its edge, or a part of it that is ranked apart. */
export const edgeColumn = (name: RankingName) => (apartOf(name).length > 0 ? `${name}_edge` : 'bucket_edge')

const apartOf = (name: RankingName) => (rankings[name] as Ranking).apart ?? []

/** The column with the two workloads a row's view is between, and what is ranked apart there. */
const placeColumn = (name: RankingName) => (apartOf(name).length > 0 ? `${name}_place` : 'place')

/** The rows that are ranked. */
export interface RankedRows {
  kind: 'flow' | 'request'
  by: readonly string[]
  /** Conditions that hold for all of them. */
  met: readonly string[]
  /** Whether they are of a rollup, which has the edge and the place as columns. */
  stored: boolean
  /** Whether some of them may be of views that count only where they are alone. */
  last: boolean
}

/** Columns that rankings add to the rows. */
export function rankingColumns(names: readonly RankingName[], rows: RankedRows): string[] {
  if (names.length === 0) return []
  const { kind, last, stored } = rows
  const apart = names.filter(name => apartOf(name).length > 0)
  const placed = last && names.some(name => lastOf(name).length > 0)
  return [
    `${edgeSql(rows)} AS bucket_edge`,
    ...(placed ? [stored ? 'place' : `${placeNumber} AS place`, 'toUnixTimestamp(bucket) AS place_time'] : []),
    ...apart.map(name => `cityHash64(bucket_edge, ${apartOf(name).join(', ')}) AS ${edgeColumn(name)}`),
    ...apart
      .filter(name => last && lastOf(name).length > 0)
      .map(name => `cityHash64(place, ${apartOf(name).join(', ')}) AS ${placeColumn(name)}`),
    `${viewNumber(kind)} / 2e19 AS view`,
    ...names.map(name => `${viewSql(name, rows)} AS ${viewColumn(name)}`),
  ]
}

/** A table of the best view of each edge. */
export interface Best {
  name: string
  edge: string
  sql: string
}

/**
 * One table for all rankings whose views compete in the same edges; `more` are further columns of a ranking's table. The best is never
 * from 0 to 1, so that it equals no view that does not count.
 */
export function bestViews(
  names: readonly RankingName[],
  { last, more = {} }: { last: boolean; more?: Partial<Record<RankingName, string>> },
): Best[] {
  const competing = Map.groupBy(names, edgeColumn)
  return [...competing].map(([edge, names]) => {
    const columns = names.flatMap(name => [`${bestSql(name, last)} AS ${name}_best`, more[name] ?? []].flat())
    return { name: `best_of_${edge}`, edge, sql: `SELECT ${[edge, ...columns].join(', ')}\nFROM views\nGROUP BY ${edge}` }
  })
}

/** Seconds between what happened and the point that tells of it; reporters are asked at different times. */
const pointsApart = 60

/** A view that counts only where it is alone is no edge's best where a better one is between the same workloads at about that time. */
function bestSql(name: RankingName, hasLast: boolean): string {
  const [best, last] = [`max(${viewColumn(name)})`, hasLast ? lastOf(name).length : 0]
  if (last === 0) return `greatest(${best}, 1)`
  const near = `RANGE BETWEEN ${pointsApart} PRECEDING AND ${pointsApart} FOLLOWING`
  const nearby = `max(${best}) OVER (PARTITION BY any(${placeColumn(name)}) ORDER BY any(place_time) ${near})`
  return `if(${best} < ${last + 1} AND ${nearby} > ${best}, -1, greatest(${best}, 1))`
}

/** Whether a row is of the view that counts. */
export const countsSql = (name: RankingName) => `${viewColumn(name)} = ${name}_best`

/** SQL of the condition that a row may be of a view that counts only where it is alone in some ranking of its kind. */
export function lastSql(kind: 'flow' | 'request'): string {
  const patterns = Object.values<Ranking>(rankings).flatMap(ranking => (ranking.kind === kind ? (ranking.last ?? []) : []))
  return [...new Set(patterns.map(({ source, server_port, layer }) => `(${patternSql({ source, server_port, layer })})`))].join(' OR ')
}
