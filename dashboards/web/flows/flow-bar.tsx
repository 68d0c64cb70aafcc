import { kinds } from '../../../schema/record.ts'
import { format } from '../../render/units.ts'
import { Icon } from '../components/icon.tsx'
import { Popup } from '../components/popup.tsx'
import { useApp } from '../state/context.ts'
import { go } from '../state/navigation.ts'
import { type ShownKind, recordKinds } from '../state/url.ts'
import { defaultColumns, endColumns, titleOf } from './columns.ts'
import type { Live } from './use-live.ts'

const kindTitles: Readonly<Record<ShownKind, string>> = { flow: 'Flows', request: 'Requests', span: 'Spans' }

/** Kind of record, live tail, columns. */
export function FlowBar({ live, count }: { live: Live; count: number }) {
  const { state } = useApp()
  return (
    <div class="page-head">
      <div class="segments" role="group" aria-label="Kind of record">
        {recordKinds.map(kind => (
          <button key={kind} type="button" aria-pressed={state.kind === kind} onClick={() => go({ kind, columns: [], select: '', at: '' })}>
            {kindTitles[kind]}
          </button>
        ))}
      </div>
      <button type="button" class="button" aria-pressed={state.live} onClick={() => go({ live: !state.live })}>
        <span class={state.live ? 'dot live' : 'dot'} />
        Live
      </button>
      {state.live && (
        <>
          <button type="button" class="button" aria-pressed={live.paused} onClick={() => live.pause(!live.paused)}>
            <Icon name={live.paused ? 'play' : 'pause'} />
            {live.paused ? 'Go on' : 'Pause'}
          </button>
          <span class="muted number" role="status">
            {format(live.perSecond, 'count')} records/s
          </span>
        </>
      )}
      <span class="push muted number">
        {count} {state.live ? 'newest' : 'shown'}
      </span>
      <ColumnChooser />
    </div>
  )
}

function ColumnChooser() {
  const { state } = useApp()
  const shown = state.columns.length ? state.columns : defaultColumns[state.kind]
  const all = [...new Set([...defaultColumns[state.kind], ...endColumns, ...Object.keys(kinds[state.kind].fields)])]
  const toggle = (name: string) =>
    go({ columns: shown.includes(name) ? shown.filter(other => other !== name) : [...shown, name] }, { replace: true })
  return (
    <Popup
      right
      label="Columns"
      button={
        <>
          <Icon name="columns" />
          Columns
        </>
      }
    >
      {() => (
        <ul class="checks">
          <li>
            <button type="button" class="option" onClick={() => go({ columns: [] }, { replace: true })}>
              As usual
            </button>
          </li>
          {all.map(name => (
            <li key={name}>
              <label class="option">
                <span>
                  <input type="checkbox" checked={shown.includes(name)} onChange={() => toggle(name)} /> {titleOf(name)}
                </span>
              </label>
            </li>
          ))}
        </ul>
      )}
    </Popup>
  )
}
