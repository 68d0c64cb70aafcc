import type { Value } from '../../question.ts'
import { clock, utc } from '../../render/time.ts'
import { format } from '../../render/units.ts'
import type { Row } from '../api.ts'
import { FilterValue } from '../components/value.tsx'

const tones: Readonly<Record<string, string>> = {
  dropped: 'error',
  error: 'error',
  audit: 'warning',
  forwarded: 'accent',
  redirected: 'accent',
}

const durations: ReadonlySet<string> = new Set(['latency', 'upstream_latency', 'duration', 'round_trip'])

/** What names an end, the best first. A service has its namespace in its name. */
const endNames = ['workload', 'pod', 'service', 'service_account', 'network', 'dns_name', 'entity', 'address']

/** One end in words: namespace/workload, or what it is when it is no pod. */
export function endOf(row: Row, end: 'src' | 'dst'): { field: string; value: string; space: string } {
  const text = (name: string) => String(row[`${end}_${name}`] ?? '')
  const field = endNames.find(name => text(name)) ?? 'address'
  return { field: `${end}_${field}`, value: text(field), space: field === 'service' ? '' : text('namespace') }
}

/** A cell of the table of records. */
export function FlowCell({ row, name }: { row: Row; name: string }) {
  const value = row[name] as Value | undefined
  if (name === 'time') return <TimeCell text={String(value)} />
  if (name === 'src' || name === 'dst') return <EndCell row={row} end={name} />
  if (value === undefined || value === null || value === '' || value === 0) return <td class="muted">–</td>
  if (name === 'verdict') {
    return (
      <td>
        <span class={`chip ${tones[String(value)] ?? ''}`}>
          <FilterValue field={name} value={value} />
        </span>
      </td>
    )
  }
  if (durations.has(name)) return <td class="number">{format(Number(value), 'ns')}</td>
  const isBad = (name === 'status_code' && Number(value) >= 500) || (name === 'status' && value === 'error')
  return (
    <td class={isBad ? 'error-text' : ''}>
      <FilterValue field={name} value={value} />
    </td>
  )
}

function TimeCell({ text }: { text: string }) {
  const time = Date.parse(text)
  return (
    <td class="number mono" title={`${utc(time)} (${text})`}>
      {clock(time)}
      <span class="muted">.{String(new Date(time).getMilliseconds()).padStart(3, '0')}</span>
    </td>
  )
}

function EndCell({ row, end }: { row: Row; end: 'src' | 'dst' }) {
  const { field, value, space } = endOf(row, end)
  return (
    <td>
      {space && (
        <>
          <FilterValue field={`${end}_namespace`} value={space} words={space} />
          <span class="muted">/</span>
        </>
      )}
      <FilterValue field={field} value={value} />
    </td>
  )
}
