import { useState } from 'preact/hooks'
import type { Row } from '../api.ts'
import { useApp } from '../state/context.ts'
import { moveFocus } from './arrows.ts'
import { FlowCell } from './cell.tsx'
import { defaultColumns, titleOf } from './columns.ts'

interface Props {
  rows: readonly Row[]
  chosen: Row | undefined
  choose(row: Row): void
  /** Fetches the next page; nothing when there is none. */
  more: (() => Promise<void>) | undefined
}

/** Records as rows; a click shows all of one. */
export function FlowTable({ rows, chosen, choose, more }: Props) {
  const { state } = useApp()
  const [busy, setBusy] = useState(false)
  const columns = state.columns.length ? state.columns : defaultColumns[state.kind]
  const fetchMore = async () => {
    setBusy(true)
    await more?.().finally(() => setBusy(false))
  }
  return (
    <div class="table-wrap fill">
      <table class="data">
        <thead>
          <tr>
            {columns.map(name => (
              <th key={name} scope="col">
                {titleOf(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody onKeyDown={moveFocus('tr')}>
          {rows.map((row, at) => (
            <tr
              key={at}
              class={row.verdict === 'dropped' || row.status === 'error' ? 'pick denied' : 'pick'}
              tabIndex={0}
              aria-current={row.id === chosen?.id}
              onClick={() => choose(row)}
              onKeyDown={event => event.key === 'Enter' && choose(row)}
            >
              {columns.map(name => (
                <FlowCell key={name} row={row} name={name} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more && (
        <div class="table-more">
          <button type="button" class="button" disabled={busy} onClick={() => void fetchMore()}>
            {busy ? 'Loading…' : 'Older records'}
          </button>
        </div>
      )}
    </div>
  )
}
