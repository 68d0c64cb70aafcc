import type { ComponentChildren } from 'preact'
import type { Quality as Answer } from '../../../query-api/quality.ts'
import { ago, utc, when } from '../../render/time.ts'
import { duration, format, percent, si } from '../../render/units.ts'
import { quality } from '../api.ts'
import { Failure, Skeleton } from '../components/notice.tsx'
import { useAsk } from '../state/ask.ts'
import { useApp } from '../state/context.ts'

/** How good the data are: how late, how surely attributed, what is missing, who works, how far back it reaches. */
export function Quality() {
  const { state, tick } = useApp()
  const range = { from: state.from, to: state.to }
  const asked = useAsk(JSON.stringify(['quality', range]), tick, signal => quality(range, signal))
  if (asked.error && !asked.value) return <Failure error={asked.error} retry={asked.retry} />
  if (!asked.value) return <Skeleton height={420} />
  const { services, lateness, attribution, clocks, losses, bus, tables } = asked.value
  return (
    <div class="grid wide quality">
      <Services services={services} />
      <Table
        title="Lateness"
        about="From being seen by an agent to being received here."
        empty="Nothing was received in this time."
        head={['Kind', 'Source', 'Records', 'Median', '95 %']}
      >
        {lateness.map(each => (
          <tr key={each.kind + each.source}>
            <td>{each.kind}</td>
            <td>{each.source}</td>
            <td class="right number">{si(each.records)}</td>
            <td class="right number">{duration(each.p50)}</td>
            <td class="right number">{duration(each.p95)}</td>
          </tr>
        ))}
      </Table>
      <Attribution attribution={attribution} />
      <Table
        title="Clocks"
        about="Reporters whose records came before they were made: their clocks are ahead, by as much at least."
        empty="No clock is known to be ahead."
        head={['Cluster', 'Source', 'Reporter', 'Ahead']}
      >
        {clocks.map(each => (
          <tr key={`${each.cluster}/${each.source}/${each.reporter}`}>
            <td>{each.cluster}</td>
            <td>{each.source}</td>
            <td>{each.reporter}</td>
            <td class="right number">{duration(each.ahead)}</td>
          </tr>
        ))}
      </Table>
      <Table
        title="Losses"
        about="What was not seen, where, and why."
        empty="No loss is known in this time."
        head={['Stage', 'Reason', 'Source', 'Reporter', 'Records', 'Gaps', 'Last']}
      >
        {losses.map((each, at) => (
          <tr key={at}>
            <td>{each.stage}</td>
            <td>{each.reason}</td>
            <td>{each.source}</td>
            <td>{each.reporter}</td>
            <td class="right number warning-text">{si(each.count)}</td>
            <td class="right number">{each.gaps || '–'}</td>
            <td class="right number" title={utc(Date.parse(each.last_seen))}>
              {ago(Date.parse(each.last_seen))}
            </td>
          </tr>
        ))}
      </Table>
      <Table
        title="Bus"
        about="How far those who read from the bus are behind."
        empty="Nobody is behind, or the bus does not say."
        head={['Topic', 'Reader', 'Messages', 'Size', 'Age']}
      >
        {bus.map(each => (
          <tr key={each.topic + each.group}>
            <td>{each.topic}</td>
            <td>{each.group}</td>
            <td class="right number">{si(each.messages)}</td>
            <td class="right number">{format(each.bytes, 'By')}</td>
            <td class="right number">{duration(each.age_seconds)}</td>
          </tr>
        ))}
      </Table>
      <Table
        title="Tables"
        about="What is stored, and how far back it reaches."
        empty="There are no tables."
        head={['Table', 'Rows', 'On disk', 'A row', 'Oldest', 'Newest']}
      >
        {tables.map(each => (
          <tr key={each.table}>
            <td class="mono">{each.table}</td>
            <td class="right number">{si(each.rows)}</td>
            <td class="right number">{format(each.bytes, 'By')}</td>
            <td class="right number">{each.rows ? format(each.bytes_per_row, 'By') : '–'}</td>
            <Time text={each.oldest} />
            <Time text={each.newest} />
          </tr>
        ))}
      </Table>
    </div>
  )
}

interface TableProps {
  title: string
  about: string
  empty: string
  head: readonly string[]
  children: ComponentChildren[]
}

const numeric = /^(Records|Median|95 %|Gaps|Last|Messages|Size|Age|Rows|On disk|A row|Oldest|Newest|Share|Ahead)$/

const Table = ({ title, about, empty, head, children }: TableProps) => (
  <section class="card" aria-label={title}>
    <header class="card-head">
      <h2>{title}</h2>
    </header>
    <p class="card-about">{about}</p>
    {children.length ? (
      <div class="table-wrap quality-table">
        <table class="data">
          <thead>
            <tr>
              {head.map(name => (
                <th key={name} scope="col" class={numeric.test(name) ? 'right' : ''}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>{children}</tbody>
        </table>
      </div>
    ) : (
      <p class="facts">{empty}</p>
    )}
  </section>
)

const Time = ({ text }: { text: string | null }) => (
  <td class="right number" title={text ? utc(Date.parse(text)) : ''}>
    {text ? when(Date.parse(text)) : '–'}
  </td>
)

const Services = ({ services }: Pick<Answer, 'services'>) => (
  <Table
    title="Services"
    about="Whether each part of weir works, and why not."
    empty="The services of this installation run elsewhere."
    head={['Service', 'State']}
  >
    {Object.entries(services).map(([name, { ready, reason }]) => (
      <tr key={name}>
        <td>{name}</td>
        <td class="wrap">
          <span class="state">
            <span class={`dot ${ready ? 'good' : 'bad'}`} /> {ready ? 'ready' : (reason ?? 'not ready')}
          </span>
        </td>
      </tr>
    ))}
  </Table>
)

const reasons: Readonly<Record<string, string>> = {
  object: 'one object had the address at that time',
  claim: 'the agent says so',
  claim_agrees: 'the agent and the objects agree',
  claim_differs: 'the agent and the objects differ',
  network: 'lies in a named network',
  host_network: 'the pod shares its node’s address',
  several_objects: 'several objects had the address',
  no_address: 'the record has no address',
  no_object: 'no object ever had the address',
  no_object_at_that_time: 'no object had the address at that time',
  outside: 'lies outside the cluster',
}

const tones: Readonly<Record<string, string>> = { exact: 'accent', ambiguous: 'warning', none: '' }

const Attribution = ({ attribution }: Pick<Answer, 'attribution'>) => (
  <Table
    title="Attribution"
    about="How surely the ends of flows are known."
    empty="No flow was stored in this time."
    head={['End', 'Known', 'Because', 'Share']}
  >
    {attribution.map(each => (
      <tr key={each.end + each.attribution + each.reason}>
        <td>{each.end === 'src' ? 'source' : 'destination'}</td>
        <td>
          <span class={`chip ${tones[each.attribution] ?? ''}`}>{each.attribution}</span>
        </td>
        <td class="wrap">{reasons[each.reason] ?? each.reason}</td>
        <td class="right number">
          <meter min={0} max={1} value={each.share} aria-label="Share" /> {percent(each.share)}
        </td>
      </tr>
    ))}
  </Table>
)
