import type { RelatedAnswer, RelatedRecord, Way } from '../../../query-api/related.ts'
import { utc } from '../../render/time.ts'
import { format } from '../../render/units.ts'
import type { Row } from '../api.ts'
import { Failure, Skeleton } from '../components/notice.tsx'
import type { Asked } from '../state/ask.ts'
import { go } from '../state/navigation.ts'
import { moveFocus } from './arrows.ts'
import { endOf } from './cell.tsx'

const words: Readonly<Record<Way, readonly [text: string, title: string]>> = {
  span_id: ['same span', 'It has the id of the same span'],
  parent: ['parent or child', 'One span caused the other'],
  trace_id: ['trace', 'It is of the same trace'],
  request_id: ['request id', 'It has the same X-Request-Id'],
  conversation: ['conversation', 'It went over the same connection, or one that carried the same request, about then'],
}

/** What else speaks of the same exchange, the newest first, each with how that is known. */
export function Related({ asked, of }: { asked: Asked<RelatedAnswer | undefined>; of: Row }) {
  const { value, error, loading, retry } = asked
  if (error && !value) return <Failure error={error} retry={retry} />
  if (!value) return loading ? <Skeleton height={240} /> : null
  if (!value.related.length) return <Alone />
  return (
    <section class="card related" aria-label="Related records">
      <ol onKeyDown={moveFocus('button')}>
        {value.related.map(found => (
          <Found key={`${found.kind}/${found.record.id}`} found={found} of={of} />
        ))}
      </ol>
      {value.truncated && <p class="muted related-more">There are more: these are the nearest in time.</p>}
    </section>
  )
}

const Alone = () => (
  <div class="notice" role="status">
    <h2>Nothing else speaks of this exchange</h2>
    <p>Records are matched by trace, by X-Request-Id, and by the addresses and ports of the connection within some seconds.</p>
  </div>
)

function Found({ found: { kind, matched, record }, of }: { found: RelatedRecord; of: Row }) {
  const row = record as Row
  const open = () => go({ kind, select: String(row.id), at: String(row.time), panel: 'related', columns: [], live: false })
  return (
    <li>
      <button type="button" class="related-row" onClick={open} title={utc(Date.parse(String(row.time)))}>
        <span class="related-line">
          <span class={`chip kind-${kind}`}>{kind}</span>
          <b class="cut">{namesOf(row)}</b>
          <span class="push number muted">{offset(row, of)}</span>
        </span>
        <span class="related-line">
          <span class={failed(row) ? 'cut error-text' : 'cut muted'}>{gistOf(kind, row)}</span>
        </span>
        <span class="related-line ways">
          {matched.map(way => (
            <span key={way} class={way === 'conversation' ? 'chip' : 'chip accent'} title={words[way][1]}>
              {words[way][0]}
            </span>
          ))}
        </span>
      </button>
    </li>
  )
}

/** Both ends, or what made the span where they are not known. */
export function namesOf(row: Row): string {
  const [src, dst] = [endOf(row, 'src').value, endOf(row, 'dst').value]
  if (!row.service_name || (src && dst)) return `${src || 'unknown'} → ${dst || 'unknown'}`
  return String(row.service_name)
}

/** How much later or earlier it was. */
function offset(row: Row, of: Row): string {
  const nanoseconds = (microsOf(String(row.time)) - microsOf(String(of.time))) * 1000
  if (nanoseconds === 0) return 'same time'
  return `${nanoseconds > 0 ? '+' : '−'}${format(Math.abs(nanoseconds), 'ns')}`
}

/** Of a time in RFC 3339 with up to six digits of its second, which Date.parse would cut to three. */
function microsOf(time: string): number {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? ''
  return Math.floor(Date.parse(time) / 1000) * 1e6 + Number(fraction.padEnd(6, '0').slice(0, 6))
}

const failed = (row: Row) => row.verdict === 'dropped' || row.error === true || row.status === 'error'

/** What happened, in a line. */
function gistOf(kind: RelatedRecord['kind'], row: Row): string {
  const parts: Readonly<Record<RelatedRecord['kind'], readonly unknown[]>> = {
    flow: [
      row.verdict,
      row.event,
      row.observation_point,
      row.protocol,
      row.server_port && `port ${row.server_port}`,
      row.drop_reason,
      row.reporter,
    ],
    request: [
      row.method,
      row.path,
      row.status_code,
      row.latency && format(Number(row.latency), 'ns'),
      row.reporter_kind,
      row.direction,
      row.reporter,
    ],
    span: [row.kind, row.name, row.duration && format(Number(row.duration), 'ns'), row.status === 'error' && 'error', row.service_name],
  }
  return parts[kind].filter(part => part && part !== 'unknown').join(' · ')
}
