import type { RelatedAnswer } from '../../../query-api/related.ts'
import { kinds } from '../../../schema/record.ts'
import type { Fields } from '../../../schema/field.ts'
import { wordsOf } from '../../render/series.ts'
import { moment, utc } from '../../render/time.ts'
import { format } from '../../render/units.ts'
import type { Row } from '../api.ts'
import { Icon } from '../components/icon.tsx'
import { FilterValue, Narrow } from '../components/value.tsx'
import type { Asked } from '../state/ask.ts'
import { useApp } from '../state/context.ts'
import { go } from '../state/navigation.ts'
import { policyOf, policyWords } from '../state/policy.ts'
import type { ShownKind } from '../state/url.ts'
import { groupsOf, titleOf } from './columns.ts'
import { Related, namesOf } from './related.tsx'

interface Props {
  row: Row
  kind: ShownKind
  related: Asked<RelatedAnswer | undefined>
  close(): void
}

const panels = [
  ['record', 'Record'],
  ['related', 'Related'],
] as const

/** One record: all of it, or what else speaks of the same exchange. */
export function RowPanel({ row, kind, related, close }: Props) {
  const { state } = useApp()
  return (
    <aside class="side" aria-label="Record">
      <header class="side-head">
        <div>
          <h3>
            {kind} · {moment(Date.parse(String(row.time)))}
          </h3>
          <h1>{namesOf(row)}</h1>
          <p class="muted">{utc(Date.parse(String(row.time)))}</p>
        </div>
        <button type="button" class="button plain small" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="segments panel-choice" role="group" aria-label="What to show of the record">
        {panels.map(([panel, title]) => (
          <button key={panel} type="button" aria-pressed={state.panel === panel} onClick={() => go({ panel }, { replace: true })}>
            {title}
          </button>
        ))}
      </div>
      {state.panel === 'related' ? <Related asked={related} of={row} /> : <AllFields row={row} kind={kind} />}
    </aside>
  )
}

/** Both ends and how surely they are known, who decided, what it was. */
function AllFields({ row, kind }: Pick<Props, 'row' | 'kind'>) {
  const fields: Fields = kinds[kind].fields
  const isMap = (name: string) => fields[name]?.type === 'attributes'
  const names = Object.keys(row).filter(name => !isEmpty(row[name]) && name !== 'time' && name !== 'id')
  return (
    <>
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
      {groupsOf(names.filter(name => !isMap(name))).map(([title, members]) => (
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
      {names.filter(isMap).map(name => (
        <MapFields key={name} name={name} values={row[name] as unknown as Record<string, string>} />
      ))}
    </>
  )
}

/** What stands under the keys of a map, each of which narrows the filter. */
const MapFields = ({ name, values }: { name: string; values: Readonly<Record<string, string>> }) => (
  <section class="card fields">
    <h3>{titleOf(name)}</h3>
    <dl>
      {Object.entries(values).map(([key, value]) => (
        <div key={key}>
          <dt title={key}>{key}</dt>
          <dd>
            <Narrow condition={`${name}[${quote(key)}] = ${quote(value)}`} words={value || '–'} />
          </dd>
        </div>
      ))}
    </dl>
  </section>
)

const quote = (text: string) => `'${text.replaceAll("'", "''")}'`

const isEmpty = (value: Row[string] | undefined) =>
  value === undefined ||
  value === null ||
  value === '' ||
  value === 0 ||
  value === false ||
  (typeof value === 'object' && !Object.keys(value).length)

const wordsFor = (unit: string | undefined, value: Row[string]) => (unit && typeof value === 'number' ? format(value, unit) : undefined)
