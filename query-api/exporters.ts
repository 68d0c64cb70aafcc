import { teller } from '../schema/ranking.ts'

/** What is said of numbers that several exporters told together. */
export const sharedError = 'exporters that saw the same conversations are counted once; those that sample may add up'

/**
 * The share of what each exporter told of an edge in an interval that no other had told already: of its conversations, those that none
 * had that saw more. Two on one path tell the same ones, and the second has none; two between which flows are divided tell different ones,
 * and have all. Conversations of an edge are distinct counts, exact for some hundreds of them and within 1 % of all beyond.
 */
export const sharesSql = `SELECT bucket_edge, teller, least(1, greatest(toFloat64(heard) - lagInFrame(toFloat64(heard)) OVER known, 0) / own) AS share
FROM (
  SELECT bucket_edge, teller, own, uniqCombinedMerge(14)(told) OVER (
    PARTITION BY bucket_edge ORDER BY own DESC, teller ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS heard
  FROM (
    SELECT bucket_edge, teller, uniqCombinedMerge(14)(conversations) AS own, uniqCombinedMergeState(14)(conversations) AS told
    FROM views
    WHERE exporter != ''
    GROUP BY bucket_edge, teller
  )
)
WINDOW known AS (PARTITION BY bucket_edge ORDER BY own DESC, teller ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)`

/** Columns that shares are made of, and what they apply to: what was dropped was so at one of them. */
export const shareColumns = [
  'exporter',
  'conversations',
  `${teller} AS teller`,
  "exporter != '' AND verdict != 'dropped' AS is_shared",
] as const

/** SQL of a measure of which each exporter has its share. */
export const sharedSql = (measure: string) => `${measure} * if(is_shared, share, 1) AS ${measure}`
