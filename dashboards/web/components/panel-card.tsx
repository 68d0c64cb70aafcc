import { useMemo, useState } from 'preact/hooks'
import type { Panel } from '../../panel.ts'
import type { Answer } from '../../question.ts'
import { drawings } from '../../render/index.ts'
import { partsOf, seriesOf } from '../../render/series.ts'
import { query } from '../api.ts'
import { useAsk } from '../state/ask.ts'
import { useApp } from '../state/context.ts'
import { both } from '../state/filter.ts'
import { go } from '../state/navigation.ts'
import { type Range, everyFor, resolve } from '../state/range.ts'
import { AnswerTable } from './answer-table.tsx'
import { Chart } from './chart.tsx'
import { Icon } from './icon.tsx'
import { Failure, Skeleton } from './notice.tsx'

interface Props {
  panel: Panel
  /** A condition besides the filter of the page. */
  where?: string
  onPick?: (name: string) => void
  /** Takes no room when there is nothing to show. */
  hideWhenEmpty?: boolean
}

/** A panel in its frame: the picture, or the same as a table. */
export function PanelCard({ panel, where, onPick, hideWhenEmpty = false }: Props) {
  const { state, tick } = useApp()
  const [asTable, setAsTable] = useState(false)
  const range = { from: state.from, to: state.to }
  const question = {
    ...panel.question,
    every: panel.question.every === 'auto' ? everyFor(range) : panel.question.every,
    where: both(state.where, where, panel.question.where),
  }
  const asked = useAsk(JSON.stringify([question, range]), tick, signal => query(question, range, signal))
  if (hideWhenEmpty && asked.value && isNothing(asked.value, panel)) return null
  return (
    <section class="card" aria-label={panel.title}>
      <header class="card-head">
        <h2>{panel.title}</h2>
        <div class="tools">
          <button
            type="button"
            class="button plain small"
            aria-pressed={asTable}
            aria-label={`Show ${panel.title} as a table`}
            title="Show as a table"
            onClick={() => setAsTable(!asTable)}
          >
            <Icon name="table" />
          </button>
        </div>
      </header>
      {panel.about && <p class="card-about">{panel.about}</p>}
      <div class="card-body">
        {asked.error && !asked.value ? (
          <Failure error={asked.error} retry={asked.retry} />
        ) : asked.value ? (
          <Shown panel={panel} answer={asked.value} every={question.every} range={range} asTable={asTable} onPick={onPick} />
        ) : (
          <Skeleton height={214} />
        )}
      </div>
    </section>
  )
}

/** No rows, or nothing but zeros. */
function isNothing(answer: Answer, { question }: Panel): boolean {
  const { metrics } = partsOf(answer, question.metrics)
  return answer.rows.every(row => metrics.every(at => !row[at]))
}

interface ShownProps {
  panel: Panel
  answer: Answer
  every: number | undefined
  range: Range
  asTable: boolean
  onPick?: Props['onPick']
}

function Shown({ panel, answer, every, range, asTable, onPick }: ShownProps) {
  if (!answer.rows.length) return <p class="facts">Nothing in this time.</p>
  if (asTable || panel.picture === 'table') return <AnswerTable answer={answer} />
  return <Picture panel={panel} answer={answer} every={every} range={range} onPick={onPick} />
}

export function Picture({ panel, answer, every, range, onPick, tall = false }: Omit<ShownProps, 'asTable'> & { tall?: boolean }) {
  const { colours } = useApp()
  const { metrics } = panel.question
  const option = useMemo(() => {
    const view = {
      metrics,
      colours,
      every,
      names: panel.names,
      title: panel.title,
      ...(every ? { from: resolve(range.from), to: resolve(range.to) } : {}),
    }
    return panel.picture === 'table' ? {} : drawings[panel.picture](answer, view)
  }, [answer, colours, panel.picture])
  const names = every ? seriesOf(answer, metrics, { every, names: panel.names }) : []
  const colourAt = (at: number) => (option.series as { itemStyle?: { color?: string } }[])[at]?.itemStyle?.color ?? 'transparent'
  return (
    <>
      <Chart
        option={option}
        label={`${panel.title}. The same as a table: the button beside the title.`}
        tall={tall}
        onPick={onPick}
        onZoom={(from, to) => go({ from: new Date(from).toISOString(), to: new Date(to).toISOString() })}
      />
      {names.length > 1 && panel.picture !== 'heatmap' && (
        <ul class="legend">
          {names.slice(0, 30).map(({ name }, at) => (
            <li key={name} style={{ '--swatch': colourAt(at) }}>
              <span class="swatch" />
              <span class="cut">{name}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}
