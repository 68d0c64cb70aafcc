import { goldenSignals } from '../../definitions/golden-signals.ts'
import { format, percent } from '../../render/units.ts'
import { signals } from '../api.ts'
import { Empty, Failure, Skeleton } from '../components/notice.tsx'
import { PanelCard } from '../components/panel-card.tsx'
import { SortHead } from '../components/sort-head.tsx'
import { Spark } from '../components/spark.tsx'
import { severity } from '../map/node-card.tsx'
import { type WorkloadSignals, workloadsOf } from '../signals/workloads.ts'
import { useAsk } from '../state/ask.ts'
import { useApp } from '../state/context.ts'
import { both, is } from '../state/filter.ts'
import { go } from '../state/navigation.ts'
import { lengthOf } from '../state/range.ts'
import { readSort, sorted } from '../state/sort.ts'

/** Golden signals of every workload as its callers see it, and of the chosen one over time. */
export function Signals() {
  const { state, tick } = useApp()
  const range = { from: state.from, to: state.to }
  const asked = useAsk(JSON.stringify(['signals', range, state.where]), tick, async signal =>
    workloadsOf(await signals({ ...range, where: state.where, by: 'workload' }, signal), lengthOf(range)),
  )
  if (asked.error && !asked.value) return <Failure error={asked.error} retry={asked.retry} />
  if (!asked.value) return <Skeleton height={420} />
  if (!asked.value.length) return <Empty what="workloads" />
  const chosen = asked.value.find(({ id }) => id === state.select)
  return (
    <div class="stack">
      <WorkloadTable workloads={asked.value} />
      <h2 class="section-title">{chosen ? `${chosen.namespace} / ${chosen.workload}` : 'All workloads'}</h2>
      <div class="grid">
        {goldenSignals.panels.map(panel => (
          <PanelCard
            key={panel.title}
            panel={panel}
            where={chosen && both(is('dst_namespace', chosen.namespace), is('dst_workload', chosen.workload))}
          />
        ))}
      </div>
    </div>
  )
}

function WorkloadTable({ workloads }: { workloads: readonly WorkloadSignals[] }) {
  const { state } = useApp()
  const sort = readSort(state.sort, '-requests')
  const number = (name: string, title: string) => <SortHead name={name} title={title} sort={sort} isNumber />
  return (
    <section class="card" aria-label="Workloads">
      <div class="table-wrap signal-table">
        <table class="data">
          <thead>
            <tr>
              <SortHead name="workload" title="Workload" sort={sort} />
              <SortHead name="namespace" title="Namespace" sort={sort} />
              <th scope="col">Traffic</th>
              {number('requests', 'Requests')}
              {number('error_ratio', 'Errors')}
              {number('latency_p50', 'p50')}
              {number('latency_p95', 'p95')}
              {number('latency_p99', 'p99')}
              {number('connections', 'Connections')}
              {number('drops', 'Drops')}
            </tr>
          </thead>
          <tbody>
            {sorted(workloads, sort).map(each => (
              <WorkloadRow key={each.id} each={each} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function WorkloadRow({ each }: { each: WorkloadSignals }) {
  const { state } = useApp()
  const pick = () => go({ select: state.select === each.id ? '' : each.id })
  const tone = severity(each.error_ratio)
  return (
    <tr
      class="pick"
      tabIndex={0}
      aria-current={state.select === each.id}
      onClick={pick}
      onKeyDown={event => event.key === 'Enter' && pick()}
    >
      <th scope="row">{each.workload}</th>
      <td class="muted">{each.namespace}</td>
      <td>
        <Spark values={each.trend} />
      </td>
      <td class="right number">{format(each.requests, 'count', true)}</td>
      <td class={`right number ${tone === 'calm' ? '' : `${tone}-text`}`}>{each.error_ratio === null ? '–' : percent(each.error_ratio)}</td>
      <td class="right number">{format(each.latency_p50, 's')}</td>
      <td class="right number">{format(each.latency_p95, 's')}</td>
      <td class="right number">{format(each.latency_p99, 's')}</td>
      <td class="right number">{format(each.connections, 'count', true)}</td>
      <td class={`right number ${each.drops ? 'error-text' : ''}`}>{each.drops ? format(each.drops, 'count') : '–'}</td>
    </tr>
  )
}
