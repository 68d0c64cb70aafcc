import { kinds } from '../../../schema/record.ts'
import type { Fields } from '../../../schema/field.ts'
import { wordsOf } from '../../render/series.ts'
import { moment, utc } from '../../render/time.ts'
import { format } from '../../render/units.ts'
import type { Row } from '../api.ts'
import { Icon } from '../components/icon.tsx'
import { FilterValue } from '../components/value.tsx'
import { policyOf, policyWords } from '../state/policy.ts'
import { endOf } from './cell.tsx'
import { groupsOf } from './columns.ts'

/** Everything about one record: both ends and how surely they are known, who decided, what it was. */
export function RowPanel({ row, kind, close }: { row: Row; kind: 'flow' | 'request'; close(): void }) {
  const fields: Fields = kinds[kind].fields
  const names = Object.keys(row).filter(name => !isEmpty(row[name]) && name !== 'time' && name !== 'id')
  const [src, dst] = [endOf(row, 'src'), endOf(row, 'dst')]
  return (
    <aside class="side" aria-label="Record">
      <header class="side-head">
        <div>
          <h3>
            {kind} · {moment(Date.parse(String(row.time)))}
          </h3>
          <h1>
            {src.value} → {dst.value}
          </h1>
          <p class="muted">{utc(Date.parse(String(row.time)))}</p>
        </div>
        <button type="button" class="button plain small" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      {row.verdict === 'dropped' && (
        <section class="card denied-by">
          <h3>Dropped</h3>
          <p>
            <b>{policyWords(policyOf(row), String(row.drop_reason ?? ''))}</b>
            <br />
            <span class="muted">{wordsOf(row.drop_reason ?? '')}</span>
          </p>
        </section>
      )}
      {groupsOf(names).map(([title, members]) => (
        <section key={title} class="card fields">
          <h3>{title}</h3>
          <dl>
            {members.map(name => (
              <div key={name}>
                <dt title={fields[name]?.about}>{name.replace(/^(src|dst)_/, '')}</dt>
                <dd>
                  <FilterValue field={name} value={row[name]!} words={wordsFor(fields[name]?.unit, row[name]!)} />
                </dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </aside>
  )
}

const isEmpty = (value: Row[string] | undefined) =>
  value === undefined || value === null || value === '' || value === 0 || value === false || (Array.isArray(value) && !value.length)

const wordsFor = (unit: string | undefined, value: Row[string]) => (unit && typeof value === 'number' ? format(value, unit) : undefined)
