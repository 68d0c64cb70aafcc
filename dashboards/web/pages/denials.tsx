import { policyDrops } from '../../definitions/denials.ts'
import { PanelCard } from '../components/panel-card.tsx'
import { Failure, Skeleton, during } from '../components/notice.tsx'
import { FoundHeads, FoundRow } from '../components/found-row.tsx'
import { SortHead } from '../components/sort-head.tsx'
import { Narrow } from '../components/value.tsx'
import { Spark } from '../components/spark.tsx'
import { denials } from '../api.ts'
import { useAsk } from '../state/ask.ts'
import { type DenialRow, denialRow } from '../state/denials.ts'
import { both } from '../state/filter.ts'
import { useApp } from '../state/context.ts'
import { goTo } from '../state/navigation.ts'
import { rangeWords } from '../state/range.ts'
import { type Sort, readSort, sorted } from '../state/sort.ts'

/** What policies denied: who, to whom, by which policy and why, since when. */
export function Denials() {
  const { state, tick } = useApp()
  const asked = useAsk(JSON.stringify(['denials', state.from, state.to, state.where]), tick, async signal =>
    (await denials({ from: state.from, to: state.to, where: state.where }, signal)).rows.map(denialRow),
  )
  const sort = readSort(state.sort, '-last')
  if (asked.error && !asked.value) return <Failure error={asked.error} retry={asked.retry} />
  if (!asked.value) return <Skeleton height={420} />
  if (!asked.value.length) {
    return (
      <div class="notice">
        <h2>No policy denied anything {during(rangeWords(state))}</h2>
        <p>{state.where ? 'At least nothing the filter lets through.' : 'What every policy allows is not listed here.'}</p>
      </div>
    )
  }
  return (
    <div class="stack">
      <div class="grid wide">
        {policyDrops.panels.map(panel => (
          <PanelCard key={panel.title} panel={panel} />
        ))}
      </div>
      <section class="card" aria-label="Denials">
        <div class="table-wrap">
          <DenialTable denials={sorted(asked.value, sort)} sort={sort} />
        </div>
      </section>
    </div>
  )
}

const DenialTable = ({ denials, sort }: { denials: readonly DenialRow[]; sort: Sort }) => (
  <table class="data">
    <thead>
      <tr>
        <SortHead name="src" title="Who" sort={sort} />
        <SortHead name="dst" title="To whom" sort={sort} />
        <SortHead name="port" title="Port" sort={sort} />
        <SortHead name="policy" title="Policy" sort={sort} />
        <SortHead name="reason" title="Reason" sort={sort} />
        <th scope="col">Over time</th>
        <FoundHeads sort={sort} />
      </tr>
    </thead>
    <tbody>
      {denials.map(denial => (
        <Line key={denial.id} denial={denial} />
      ))}
    </tbody>
  </table>
)

function Line({ denial }: { denial: DenialRow }) {
  const { state } = useApp()
  const open = () => goTo('flows', { where: both(state.where, denial.condition, 'verdict = dropped') })
  return (
    <FoundRow found={denial} title="See the flows" open={open}>
      <td>
        <Narrow condition={denial.srcIs} words={denial.src} />
      </td>
      <td>
        <Narrow condition={denial.dstIs} words={denial.dst} />
      </td>
      <td class="number">{denial.port}</td>
      <td class="wrap">{denial.policy}</td>
      <td class="mono">{denial.reason}</td>
      <td>
        <Spark values={denial.series} tone="error" />
      </td>
    </FoundRow>
  )
}
