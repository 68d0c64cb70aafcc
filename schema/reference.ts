import { type TableDefinition, rollups, tables } from './clickhouse.ts'
import { type Field, overflow } from './field.ts'
import { type Calculation, type Metric, metrics } from './metric.ts'
import { type Ranking, edgeFields, finerEdgeFields, rankings, viewFields } from './ranking.ts'
import { type RecordKind, kinds } from './record.ts'

/** Reference pages in Markdown about what the schema says. */

export const generated = '<!-- Made by npm run reference. -->'

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const row = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
export const code = (text: string) => (text === '' ? '' : `\`${text}\``)

/** A table; columns that are empty in every row are left out. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const used = head.flatMap((_, index) => (rows.some(cells => cells[index] !== '') ? [index] : []))
  const only = (cells: readonly string[]) => row(used.map(index => cells[index]))
  return [only(head), row(used.map(() => '---')), ...rows.map(only)].join('\n')
}

/** A page: its title, then its parts with an empty line between them. */
export const page = (title: string, ...parts: readonly string[]) => `${[generated, `# ${title}`, ...parts].join('\n\n')}\n`

function typeOf({ type, values, distinct, default: initial }: Field): string {
  if (distinct) return `${type}, ${distinct.toLocaleString('en')} an hour`
  if (values) return values.map(value => (value === '' ? 'empty' : code(value))).join(', ')
  return initial === undefined ? type : `${type}, ${initial} when absent`
}

function fillerOf({ filledBy, completedBy }: Field): string {
  if (filledBy) return `step ${filledBy}`
  return completedBy ? `source, else step ${completedBy}` : 'source'
}

const fieldRow = (name: string, field: Field, rolledUp: boolean) => [
  code(name),
  typeOf(field),
  field.unit ?? '',
  field.about,
  fillerOf(field),
  rolledUp && field.rollup ? 'yes' : '',
]

const tableRow = ({ name, about, orderBy, ttl }: TableDefinition) => [code(name), about, code(orderBy.join(', ')), code(ttl)]

/** The page of a kind of record: its fields, tables and measures. */
export function kindPage(kind: RecordKind): string {
  const fields = Object.entries(kind.fields).map(([name, field]) => fieldRow(name, field, kind.measures !== undefined))
  const measures = Object.entries(kind.measures ?? {}).map(([name, { about, raw }]) => [code(name), about, code(raw)])
  return page(
    kind.name,
    kind.about,
    `Version ${kind.version}. Of each field: its type (of a label that senders can make up, how many distinct ones of a source are kept; others are ` +
      `${code(overflow)}) or its values (the first is the default), its unit in UCUM, who fills it, and whether ` +
      `rollups keep it. Steps are those of the enricher.`,
    table(['field', 'type or values', 'unit', 'about', 'filled by', 'in rollups'], fields),
    '## Tables',
    table(['table', 'about', 'sorted by', 'kept until'], tables({ of: [kind] }).map(tableRow)),
    ...(measures.length ? ['## Measures of the rollups', table(['measure', 'about', 'of the records'], measures)] : []),
  )
}

const rawOf = (kind: RecordKind, measure: string) => kind.measures?.[measure]?.raw ?? measure

function formulaOf({ kinds: [kind] }: Metric, calculation: Calculation): string {
  if ('sum' in calculation) return code(rawOf(kinds[kind], calculation.sum))
  if ('all' in calculation) return code(rawOf(kinds[kind], calculation.all))
  if ('ratio' in calculation) return `${calculation.ratio.map(name => code(name)).join(' ÷ ')}, as sums`
  if ('bucketQuantile' in calculation) return `quantile ${calculation.bucketQuantile} of the merged ${code(calculation.of)}`
  if ('difference' in calculation) return calculation.difference.map(name => code(name)).join(' − ')
  return `quantile of the merged ${code(calculation.of)}`
}

const linkTo = (ranking: string) => `[${ranking}](#${ranking})`

function metricRow(metric: Metric): string[] {
  const { name, title, unit, signal = '', about, approximate = '', calculation } = metric
  const ranking = 'ranking' in calculation ? calculation.ranking : undefined
  const counts = ranking ? linkTo(ranking) : 'difference' in calculation ? '' : 'every view'
  const own = ranking ? about.replace(rankings[ranking].about, '').trim() : about
  const words = approximate ? `${own} ${approximate[0].toUpperCase()}${approximate.slice(1)}.` : own
  return [code(name), title, metric.kinds.join(', '), unit, signal, formulaOf(metric, calculation), counts, words]
}

const patternText = (pattern: Ranking['order'][number]) =>
  Object.entries(pattern)
    .map(([field, values]) => `${code(field)} ${values.map(code).join(' or ')}`)
    .join(', ')

function rankingSection([name, { kind, about, among, order, last = [], apart = [] }]: [string, Ranking]): string {
  const best = order.map((pattern, index) => `${index + 1}. ${patternText(pattern)}`).join('\n')
  const lines = [
    `### ${name}`,
    about,
    ...(among.length === 0 ? [`Of records of kind ${kind}, the best view:`] : [`Of records of kind ${kind} with`]),
  ]
  if (among.length > 0) lines.push(`\`\`\`sql\n${among.join('\n  AND ')}\n\`\`\``, 'the best view:')
  lines.push(best)
  if (last.length) {
    lines.push(
      'Below any other view, and only where no better one is between the same two workloads within a minute, what is added up from metrics:',
    )
    lines.push(last.map((pattern, index) => `${index + 1}. ${patternText(pattern)}`).join('\n'))
  }
  if (apart.length) lines.push(`Ranked apart, because never of the same packet: ${apart.map(code).join(', ')}.`)
  return lines.join('\n\n')
}

/** The page of the metrics: what each is computed from, and which of several accounts of the same traffic counts. */
export function metricsPage(): string {
  const list = (names: readonly string[]) => names.map(code).join(', ')
  return page(
    'Metrics',
    'A metric is a unit and a calculation over many records. The calculation is that of records; rollups of ' +
      `${rollups.map(({ seconds }) => `${seconds} s`).join(' and ')} hold the same added up.`,
    'Units are those of UCUM. Over time what is counted is shown per second: the value of a point divided by its seconds; shares and durations are ' +
      'shown as they are. Bytes and packets are those the reporter counted, times the weight of the record: nothing is added for headers it did not see.',
    table(['metric', 'title', 'of', 'unit', 'golden signal', 'calculation', 'counts', 'about'], [...metrics.values()].map(metricRow)),
    '## Counted once',
    'Several points see one conversation, and each account (a view) is a record of its own. In every interval a metric adds up, of the views of ' +
      'one edge, only the one that ranks highest; a view that is nowhere in the list ranks below all that are.',
    `Flows are of one edge when they agree on ${list(edgeFields.flow)}; requests when they agree on ${list(edgeFields.request)}; and, when one asks ` +
      `by them, on ${list(finerEdgeFields)}. An end whose cluster is not named is of the reporter's, \`world\` is no entity, and a node is a node whatever it is called. Views of an edge differ in ${list(viewFields.flow)}, those of requests in ${list(viewFields.request)}.`,
    ...Object.entries(rankings as Readonly<Record<string, Ranking>>).map(rankingSection),
  )
}
