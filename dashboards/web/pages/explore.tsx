import { query } from '../api.ts'
import { AnswerTable } from '../components/answer-table.tsx'
import { Empty, Failure, Skeleton } from '../components/notice.tsx'
import { Picture } from '../components/panel-card.tsx'
import { Choices, PictureChoice, kindOf, useCatalog } from '../explore/choices.tsx'
import { MetaFacts } from '../explore/meta.tsx'
import { useAsk } from '../state/ask.ts'
import { useApp } from '../state/context.ts'
import { everyFor } from '../state/range.ts'
import type { State } from '../state/url.ts'

/** Pictures that show time unless told otherwise; the others show groups. */
const overTime = new Set<State['picture']>(['line', 'area', 'heatmap'])

/** Any metric by any dimension, as any picture. */
export function Explore() {
  const { state, tick } = useApp()
  const known = useCatalog()
  const range = { from: state.from, to: state.to }
  const { metrics, by, picture, top, where } = state
  const every = overTime.has(picture)
    ? state.every || everyFor(range, picture === 'heatmap' ? 48 : 90)
    : picture === 'bar' && state.every
      ? state.every
      : undefined
  const kind = known && metrics[0] === 'records' ? kindOf(known, metrics) : undefined
  const question = { metrics, by, where, kind, every, top: by.length ? top : undefined }
  const asked = useAsk(JSON.stringify(['explore', question, range]), tick, signal => query(question, range, signal))
  const answer = asked.value
  const needsTwo = picture === 'sankey' && by.length < 2
  return (
    <>
      {known ? <Choices known={known} /> : <Skeleton height={40} />}
      <section class="card" aria-label="Answer">
        <header class="card-head">
          <h2>
            {metrics.join(', ')}
            {by.length > 0 && <span class="muted"> by {by.join(', ')}</span>}
          </h2>
          <div class="tools">
            <PictureChoice />
          </div>
        </header>
        <div class="card-body">
          {needsTwo ? (
            <div class="notice">
              <h2>A sankey needs two dimensions</h2>
              <p>Add one with “By”: bands run from the first to the last.</p>
            </div>
          ) : asked.error && !answer ? (
            <Failure error={asked.error} retry={asked.retry} />
          ) : !answer ? (
            <Skeleton height={440} />
          ) : !answer.rows.length ? (
            <Empty what="data" />
          ) : picture === 'table' ? (
            <AnswerTable answer={answer} />
          ) : (
            <Picture
              key={picture + metrics.join()}
              panel={{ title: metrics.join(', '), picture, question }}
              answer={answer}
              every={every}
              range={range}
              tall
            />
          )}
        </div>
        {answer && <MetaFacts meta={answer.meta} rows={answer.rows.length} />}
      </section>
      {answer && answer.rows.length > 0 && picture !== 'table' && !needsTwo && (
        <details class="card as-table">
          <summary>The same as a table</summary>
          <AnswerTable answer={answer} />
        </details>
      )}
    </>
  )
}
