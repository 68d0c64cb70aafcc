import { duration } from '../../render/units.ts'
import { Icon } from '../components/icon.tsx'
import { Skeleton } from '../components/notice.tsx'
import type { ApiError } from '../api.ts'
import { useApp } from '../state/context.ts'
import { go } from '../state/navigation.ts'
import type { Finding } from './stands-out.ts'

const most = 8
const icons = { denials: 'denials', errors: 'signals', latency: 'clock' } as const
const words = { denials: 'Denied', errors: 'Failing', latency: 'Slower' } as const

interface Props {
  /** Nothing until they are known. */
  findings: readonly Finding[] | undefined
  error: ApiError | undefined
  recentSeconds: number
}

/** What stands out, the worst first; a click goes there. */
export function FindingsStrip({ findings, error, recentSeconds }: Props) {
  const { state } = useApp()
  if (!findings)
    return error ? <p class="findings-calm error-text">What stands out is not known: {error.message}</p> : <Skeleton height={70} />
  if (!findings.length) {
    return (
      <p class="findings-calm">
        <Icon name="quality" /> Nothing stands out: no raised errors, no slower answers, no denials.
      </p>
    )
  }
  return (
    <section class="findings" aria-label="What stands out" title={`The last ${duration(recentSeconds)} compared with the time before`}>
      <ul>
        {findings.slice(0, most).map(finding => (
          <li key={finding.kind + finding.edge}>
            <button
              type="button"
              class={`finding ${finding.kind} ${finding.state}`}
              aria-pressed={state.select === finding.edge}
              onClick={() => go({ select: state.select === finding.edge ? '' : finding.edge })}
            >
              <span class="finding-kind">
                <Icon name={icons[finding.kind]} />
                {words[finding.kind]}
                {finding.state !== 'lasting' && <b>{finding.state}</b>}
              </span>
              <span class="finding-edge">
                {finding.from} → {finding.to}
              </span>
              <span class="finding-text">
                {finding.text}
                {finding.aside && <small> {finding.aside}</small>}
              </span>
            </button>
          </li>
        ))}
        {findings.length > most && <li class="muted">and {findings.length - most} more</li>}
      </ul>
    </section>
  )
}
