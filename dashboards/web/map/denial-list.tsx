import type { Denial } from '../../../query-api/denials.ts'
import { clock, utc } from '../../render/time.ts'
import { format } from '../../render/units.ts'
import { policyWords } from '../state/policy.ts'

/** Which policies denied what is selected; nothing when none did. */
export function DenialList({ denials }: { denials: readonly Denial[] }) {
  if (!denials.length) return null
  return (
    <section class="card denied-by" aria-label="Denials">
      <h3>Denied</h3>
      <ul>
        {denials.map(denial => (
          <li key={denial.id}>
            <b>{policyWords(denial.policy, denial.reason)}</b>
            <span class="muted" title={utc(Date.parse(denial.first_seen))}>
              {denial.source.name} → {denial.target.name} {denial.protocol}/{denial.port} · {denial.reason || 'no reason given'} ·{' '}
              {format(denial.count, 'count')} times since {clock(Date.parse(denial.first_seen), false)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
