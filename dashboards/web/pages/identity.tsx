import { percent, si } from '../../render/units.ts'
import { drift } from '../api.ts'
import { Failure, Skeleton, during } from '../components/notice.tsx'
import { FoundHeads, FoundRow } from '../components/found-row.tsx'
import { SortHead } from '../components/sort-head.tsx'
import { Narrow } from '../components/value.tsx'
import { useAsk } from '../state/ask.ts'
import { useApp } from '../state/context.ts'
import { type DriftRow, driftRow, totals } from '../state/drift.ts'
import { both, is } from '../state/filter.ts'
import { goTo } from '../state/navigation.ts'
import { rangeWords } from '../state/range.ts'
import { type Sort, readSort, sorted } from '../state/sort.ts'

/** Identities that are not what they should be: who showed what to whom, and what would have been right. */
export function Identity() {
  const { state, tick } = useApp()
  const asked = useAsk(JSON.stringify(['drift', state.from, state.to, state.where]), tick, signal =>
    drift({ from: state.from, to: state.to, where: state.where }, signal),
  )
  const sort = readSort(state.sort, '-count')
  if (asked.error && !asked.value) return <Failure error={asked.error} retry={asked.retry} />
  if (!asked.value) return <Skeleton height={420} />
  const { rows, checks, meta } = asked.value
  const all = totals(checks)
  if (!rows.length) return <InOrder {...all} />
  return (
    <div class="stack">
      <section class="card" aria-label="Drift">
        <p class="facts">
          <span>
            <b>{si(all.checked)}</b> identities checked
          </span>
          <span>
            <b>{percent(all.agrees / all.checked)}</b> in order
          </span>
          {meta.truncated && <span>The most frequent {rows.length} are listed.</span>}
        </p>
        <div class="table-wrap">
          <DriftTable rows={sorted(rows.map(driftRow), sort)} sort={sort} />
        </div>
      </section>
    </div>
  )
}

function InOrder({ checked, agrees }: { checked: number; agrees: number }) {
  const { state } = useApp()
  const seen = checked > 0
  return (
    <div class="notice">
      <h2>
        {seen ? 'Every identity that was checked is in order' : 'No identity was checked'} {during(rangeWords(state))}
      </h2>
      <p>
        {state.where
          ? 'At least of what the filter lets through.'
          : seen
            ? `${si(agrees)} certificates were ones their pods may have.`
            : 'Proxies tell which certificates they see; SPIRE, ClusterSPIFFEIDs or Istio’s labels tell who may have which.'}
      </p>
    </div>
  )
}

const DriftTable = ({ rows, sort }: { rows: readonly DriftRow[]; sort: Sort }) => (
  <table class="data">
    <thead>
      <tr>
        <SortHead name="check" title="What is wrong" sort={sort} />
        <SortHead name="client" title="Who" sort={sort} />
        <SortHead name="server" title="To whom" sort={sort} />
        <SortHead name="port" title="Port" sort={sort} isNumber />
        <SortHead name="seen" title="Shown" sort={sort} />
        <FoundHeads sort={sort} />
      </tr>
    </thead>
    <tbody>
      {rows.map(row => (
        <Line key={row.id} row={row} />
      ))}
    </tbody>
  </table>
)

function Line({ row }: { row: DriftRow }) {
  const { state } = useApp()
  const { kind, record } = row
  const open = () => goTo('flows', { kind, select: record.id, at: record.time, where: both(state.where, row.condition) ?? '' })
  return (
    <FoundRow found={row} title="See the newest record" open={open}>
      <td title={row.about}>
        <span class={`chip ${row.tone}`}>{row.words}</span>
        {row.end === 'server' && <span class="muted"> of the server</span>}
      </td>
      <td>
        <Narrow condition={row.clientIs} words={row.client} />
      </td>
      <td>
        <Narrow condition={row.serverIs} words={row.server} />
      </td>
      <td class="right number">
        <Narrow condition={is('server_port', row.port)} words={String(row.port)} />
      </td>
      <td class="mono identity">
        <div>{row.seen || '–'}</div>
        {row.expected.map(text => (
          <div key={text} class="muted">
            expected: {text}
          </div>
        ))}
      </td>
    </FoundRow>
  )
}
