import type { ColumnDefinition } from './clickhouse.ts'
import { spanEdge } from './span-edge.ts'
import { type KindName, type RecordKind, kinds } from './record.ts'

export const hourSeconds = 3600

/** Kinds whose records can be attributed again. */
export const attributedKinds = ['flow', 'request', 'span'] as const satisfies KindName[]
export type AttributedKind = (typeof attributedKinds)[number]

/** Whose rows can be made again: edges with the spans they are made of. */
export type Redone = AttributedKind | typeof spanEdge.name

/**
 * Rows that were attributed again by one process, and from which hour on. One that was killed in the midst of an hour leaves rows behind
 * that count no more: whoever goes on writes others.
 */
export interface Copy {
  /** 0 where hours stay as they were. */
  revision: number
  /** Seconds since 1970. */
  from: number
}

/**
 * How far the attribution of a window of whole hours is done again. Rows that come meanwhile have the revision `tag`, what they replace
 * has a lower one, and copies have higher ones. Hours before `shown` show their copies, those after it what was there before; from hours
 * before `cleaned` all is removed that shall not be seen. Times are seconds since 1970.
 */
export interface Reattribution {
  kind: Redone
  /** Who asked for it knows it by this. */
  id: string
  from: number
  to: number
  /** Only records that were stored provisionally. */
  provisional: boolean
  tag: number
  /** The highest revision that was given. */
  highest: number
  copies: readonly Copy[]
  shown: number
  cleaned: number
  /** Counts its changes, so that the newest is known. */
  step: number
  /** Nothing is hidden any more, and nothing is left to do. */
  done: boolean
  /** What was changed so far, as JSON. */
  report: string
}

/** A question reads what is hidden once, and may know it for so long beforehand. */
export const knownForMs = 2_000
/** How long a question may take. Between what is hidden and what is changed lies more than both. */
export const longestQuestionMs = 40_000
export const settleMs = knownForMs + longestQuestionMs + 3_000

/** Days after which the last is forgotten. */
export const reattributionDays = 3650

/** How far each kind is, the newest row of it. */
export const reattributionTable = {
  name: 'reattribution',
  about: 'How far records of a kind are attributed again, and what is hidden meanwhile.',
  columns: [
    { name: 'changed', type: "DateTime64(6, 'UTC')", about: 'When it was written.' },
    { name: 'kind', type: 'LowCardinality(String)', about: 'Kind of record.' },
    { name: 'step', type: 'UInt64', about: 'Counts what was written of the kind.' },
    { name: 'state', type: 'String', about: 'Which window, how far it is, and by which revisions rows are told apart, as JSON.' },
  ] satisfies ColumnDefinition[],
  order: ['kind'],
} as const

/** SQL of the newest state of each kind. */
export const currentSql = `SELECT kind, argMax(state, step) AS newest FROM ${reattributionTable.name} GROUP BY kind ORDER BY kind`

/** A row of `currentSql`. */
export const reattributionOf = ({ newest }: { newest: string }) => JSON.parse(newest) as Reattribution

const at = (seconds: number) => `toDateTime(${seconds}, 'UTC')`

/**
 * SQL of a condition on rows that shall be seen, or nothing when all shall; `time` is the column of the row's time or interval. Hours are
 * whole in every table, so an hour is seen as it was or as it is now.
 */
export function seenSql({ to, cleaned, shown, done, tag, ...rest }: Reattribution, time: string): string | undefined {
  if (done || cleaned >= to) return undefined
  const before = `revision <= ${tag}`
  const after = afterSql({ tag, ...rest }, time)
  const inside = shown <= cleaned ? before : shown >= to ? after : `if(${time} < ${at(shown)}, ${after}, ${before})`
  return `(${time} < ${at(cleaned)} OR ${time} >= ${at(to)} OR ${inside})`
}

/** In hours that show their copies. */
function afterSql({ tag, copies, provisional }: Pick<Reattribution, 'tag' | 'copies' | 'provisional'>, time: string): string {
  const own = copies.map(({ revision, from }, i) => {
    const next = copies[i + 1]
    const range = [...(i > 0 ? [`${time} >= ${at(from)}`] : []), ...(next ? [`${time} < ${at(next.from)}`] : [])]
    return [revision > 0 ? `revision = ${revision}` : `revision < ${tag}`, ...range].join(' AND ')
  })
  const stays = provisional ? [`(revision < ${tag} AND NOT provisional)`] : []
  return `(${[`revision = ${tag}`, ...own.map(one => `(${one})`), ...stays].join(' OR ')})`
}

/** SQL of a condition on rows that are to be replaced, or were. */
export const replacedSql = ({ tag, provisional }: Pick<Reattribution, 'tag' | 'provisional'>) =>
  `revision < ${tag}${provisional ? ' AND provisional' : ''}`

export const isAttributed = (kind: Pick<RecordKind, 'name'>): kind is typeof kind & { name: AttributedKind } =>
  (attributedKinds as readonly string[]).includes(kind.name)

export const attributedKind = (name: AttributedKind): RecordKind => kinds[name]

/** Where it is asked for, and told how far it is. */
export const reattributionTopic = 'weir-reattribution-v1'
