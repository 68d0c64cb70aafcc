import type { Question } from './question.ts'

/** How an answer is shown. */
export const pictures = ['line', 'area', 'bar', 'table', 'sankey', 'heatmap'] as const
export type Picture = (typeof pictures)[number]

/** One question and its picture. The page that shows it adds the time range and the filter. */
export interface Panel {
  title: string
  /** What a reader learns from it, in one sentence. */
  about?: string
  question: Question
  picture: Picture
  /** Words for the series of an answer without dimensions, by metric. */
  names?: Readonly<Record<string, string>>
}

/** A page of panels. */
export interface Dashboard {
  name: string
  title: string
  panels: readonly Panel[]
}
