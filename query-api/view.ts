import { type Ranking, type RankingName, edgeFields, finerEdgeFields, nodeEntities, rankings, viewFields } from '../schema/ranking.ts'

const text = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const oneOf = (values: readonly string[]) => (values.length === 1 ? `= ${text(values[0])}` : `IN (${values.map(text).join(', ')})`)

/**
 * Which view of its edge a row is, as a number: its rank, and a fraction that only decides between views that rank alike. Below 1 is what
 * does not count at all; `filtered` says that the rows are all such that may.
 */
export function viewSql(name: RankingName, kind: 'flow' | 'request', filtered: boolean): string {
  const { among, order }: Ranking = rankings[name]
  const ranks = order.map((pattern, i) => `${patternSql(pattern)}, ${order.length + 1 - i}`)
  const not = filtered || among === '1' ? [] : [`NOT (${among}), 0`]
  return `multiIf(\n${[...not, ...ranks, '1'].join(',\n').replace(/^/gm, '  ')}\n) + cityHash64(${viewFields[kind].join(', ')}) / 2e19`
}

function patternSql(pattern: Ranking['order'][number]): string {
  return Object.entries(pattern)
    .map(([field, values]) => `${field} ${oneOf(values)}`)
    .join(' AND ')
}

/** Which edge a row belongs to, in which interval; rows of one edge have the same number. */
export function edgeSql(kind: 'flow' | 'request', by: readonly string[]): string {
  const fields = [...edgeFields[kind], ...finerEdgeFields.filter(name => by.includes(name))]
  return `cityHash64(bucket, ${fields.map(edgeField).join(', ')})`
}

const edgeField = (name: string) =>
  name.endsWith('_entity') ? `if(${name} IN (${nodeEntities.map(text).join(', ')}), 'node', ${name})` : name

/** The column with the number of a row's view. */
export const viewColumn = (name: RankingName) => `${name}_view`

/** The column with what a row's view competes in: its edge, or a part of it that is ranked apart. */
export const edgeColumn = (name: RankingName) => (apartOf(name).length > 0 ? `${name}_edge` : 'edge')

const apartOf = (name: RankingName) => (rankings[name] as Ranking).apart ?? []

/** Columns a ranking adds to the rows. */
export function rankingColumns(name: RankingName, kind: 'flow' | 'request', filtered: boolean): string[] {
  const apart = apartOf(name).length > 0 ? [`cityHash64(edge, ${apartOf(name).join(', ')}) AS ${edgeColumn(name)}`] : []
  return [...apart, `${viewSql(name, kind, filtered)} AS ${viewColumn(name)}`]
}

/** A table of the best view of each edge. */
export interface Best {
  name: string
  edge: string
  sql: string
}

/** One table for all rankings whose views compete in the same edges; `more` are further columns of a ranking's table. */
export function bestViews(names: readonly RankingName[], more: Partial<Record<RankingName, string>> = {}): Best[] {
  const competing = Map.groupBy(names, edgeColumn)
  return [...competing].map(([edge, names]) => {
    const columns = names.flatMap(name => [`max(${viewColumn(name)}) AS ${name}_best`, more[name] ?? []].flat())
    return { name: `best_of_${edge}`, edge, sql: `SELECT ${[edge, ...columns].join(', ')}\nFROM views\nGROUP BY ${edge}` }
  })
}

/** Whether a row is of the view that counts. */
export const countsSql = (name: RankingName) => `${viewColumn(name)} >= 1 AND ${viewColumn(name)} = ${name}_best`
