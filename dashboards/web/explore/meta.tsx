import { useState } from 'preact/hooks'
import type { Answer } from '../../question.ts'
import { clock, utc } from '../../render/time.ts'
import { si } from '../../render/units.ts'

/** Where an answer comes from and how far it can be trusted, and its SQL. */
export function MetaFacts({ meta, rows }: { meta: Answer['meta']; rows: number }) {
  const [showsSql, setShowsSql] = useState(false)
  const facts: [string, string, string?][] = [
    ['Table', meta.table ?? '–'],
    ['Resolution', meta.resolution ? `${meta.resolution} s` : 'single records'],
    ['Values', meta.approximate ? `approximate (${Object.values(meta.estimates ?? {})[0] ?? 'estimated'})` : 'exact'],
    [
      'Complete up to',
      meta.watermark ? clock(Date.parse(meta.watermark)) : 'not known',
      meta.watermark ? utc(Date.parse(meta.watermark)) : 'No agent was heard in the last five minutes.',
    ],
    ['Lost in this time', meta.lost ? si(meta.lost) : 'none known'],
    ['Groups and points', si(rows) + (meta.truncated ? ', more were left out' : '')],
    ...(meta.elapsed_ms === undefined ? [] : [['Took', `${meta.elapsed_ms} ms, ${si(meta.rows_read ?? 0)} rows read`] as [string, string]]),
  ]
  return (
    <>
      <p class="facts">
        {facts.map(([name, value, title]) => (
          <span key={name} title={title}>
            {name} <b class={name === 'Lost in this time' && meta.lost ? 'warning-text' : ''}>{value}</b>
          </span>
        ))}
        {meta.sql && (
          <button type="button" class="button plain small" aria-expanded={showsSql} onClick={() => setShowsSql(!showsSql)}>
            SQL
          </button>
        )}
      </p>
      {showsSql && <pre class="sql">{meta.sql}</pre>}
    </>
  )
}
