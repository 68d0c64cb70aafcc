import { type Ranking, type RankingName, edgeFields, finerEdgeFields, nodeEntities, rankings, viewFields } from '../schema/ranking.ts'

const text = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const oneOf = (values: readonly string[]) => (values.length === 1 ? `= ${text(values[0])}` : `IN (${values.map(text).join(', ')})`)

/** The rank of a row's view, 0 for what does not count at all. */
export function rankSql(name: RankingName): string {
  const { among, order }: Ranking = rankings[name]
  const ranks = order.map((pattern, i) => {
    const conditions = Object.entries(pattern).map(([field, values]) => `${field} ${oneOf(values)}`)
    return `${conditions.join(' AND ')}, ${order.length + 1 - i}`
  })
  const not = among === '1' ? [] : [`NOT (${among}), 0`]
  return `multiIf(${[...not, ...ranks, '1'].join(',\n      ')})`
}

/** Which edge a row belongs to; rows of one edge have the same number. */
export function edgeSql(kind: 'flow' | 'request', by: readonly string[]): string {
  const fields = [...edgeFields[kind], ...finerEdgeFields.filter(name => by.includes(name))]
  return `cityHash64(${fields.map(edgeField).join(', ')})`
}

const edgeField = (name: string) =>
  name.endsWith('_entity') ? `if(${name} IN (${nodeEntities.map(text).join(', ')}), 'node', ${name})` : name

/** Which view of its edge a row is; only decides between views that rank alike. */
export const viewSql = (kind: 'flow' | 'request') => `cityHash64(${viewFields[kind].join(', ')})`

/** The column with the rank and the number of a row's view. */
export const viewColumn = (name: RankingName) => `${name}_view`

/** Columns that tell apart what is ranked apart, with their SQL. */
export const apartColumns = (name: RankingName) =>
  ((rankings[name] as Ranking).apart ?? []).map((sql, i) => ({ column: `${name}_apart_${i + 1}`, sql }))

/** Rows among which one view counts. */
export const partitionSql = (name: RankingName) => ['bucket', 'edge', ...apartColumns(name).map(({ column }) => column)].join(', ')
