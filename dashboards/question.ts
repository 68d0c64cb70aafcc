/** What the query API is asked and answers, as the pages hold it. */
import type { Query } from '../query-api/plan.ts'
import type { Meta } from '../query-api/meta.ts'
import type { Cell, Column as AnswerColumn } from '../query-api/query.ts'

/** A query without its range; the page adds that. */
export type Question = Pick<Query, 'kind' | 'where' | 'top'> & {
  metrics: readonly string[]
  by?: readonly string[]
  /** Seconds per point; `auto` lets the page choose what fits the range. */
  every?: number | 'auto'
}

export type Value = Cell | readonly string[]
export type Column = Pick<AnswerColumn, 'name' | 'unit'> & { type: string }

export interface Answer {
  columns: readonly Column[]
  rows: readonly (readonly Value[])[]
  meta: Partial<Meta>
}
