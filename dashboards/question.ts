/** What the query API is asked, and what it answers. */
export interface Question {
  metrics: readonly string[]
  by?: readonly string[]
  kind?: string
  /** Seconds per point; `auto` lets the page choose what fits the range. */
  every?: number | 'auto'
  top?: number
  where?: string
}

export type Value = string | number | boolean | null | readonly string[]

export interface Column {
  name: string
  type: string
  unit?: string
}

export interface AnswerMeta {
  table?: string
  resolution?: number | string
  approximate?: boolean
  watermark?: string | null
  lost?: number
  sql?: string
}

export interface Answer {
  columns: readonly Column[]
  rows: readonly (readonly Value[])[]
  meta: AnswerMeta
}
