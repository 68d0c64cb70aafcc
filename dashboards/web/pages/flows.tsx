import { useRef, useState } from 'preact/hooks'
import { type Row, records, related } from '../api.ts'
import { Empty, Failure, Skeleton } from '../components/notice.tsx'
import { FlowBar } from '../flows/flow-bar.tsx'
import { FlowTable } from '../flows/flow-table.tsx'
import { RowPanel } from '../flows/row-panel.tsx'
import { useLive } from '../flows/use-live.ts'
import { useAsk } from '../state/ask.ts'
import { useApp } from '../state/context.ts'
import { go } from '../state/navigation.ts'

const pageSize = 200

/** Records as they were seen: one by one, stored or live. */
export function Flows() {
  const { state } = useApp()
  const live = useLive({ kind: state.kind, where: state.where, on: state.live })
  const stored = useStored()
  const rows = state.live ? live.rows : stored.rows
  const known = useChosen(rows, state.select)
  const beside = useRelated(known)
  const chosen = known ?? (state.select ? (beside.value?.record as Row | undefined) : undefined)
  const choose = (row: Row | undefined) => go(row ? { select: String(row.id), at: String(row.time) } : { select: '', at: '' })
  return (
    <>
      <FlowBar live={live} count={rows.length} />
      <div class="map-page">
        <div class="card flow-card">
          {state.live && live.failed && <p class="warn-strip">The live stream broke off; it is tried again.</p>}
          {!state.live && stored.error && !rows.length ? (
            <Failure error={stored.error} retry={stored.retry} />
          ) : !state.live && stored.loading && !rows.length ? (
            <div class="card-body">
              <Skeleton height={480} />
            </div>
          ) : rows.length ? (
            <FlowTable rows={rows} chosen={chosen} choose={choose} more={state.live ? undefined : stored.more} />
          ) : state.live ? (
            <div class="notice" role="status">
              <h2>Waiting for the next {state.kind}</h2>
              <p>{state.where ? 'Only what the filter lets through is shown.' : 'It appears here as soon as it is seen.'}</p>
            </div>
          ) : (
            <Empty what={`${state.kind}s`} />
          )}
        </div>
        {chosen && <RowPanel row={chosen} kind={state.kind} related={beside} close={() => choose(undefined)} />}
      </div>
    </>
  )
}

/** The record that is selected; remembered when newer ones have pushed it off the table. */
function useChosen(rows: readonly Row[], id: string): Row | undefined {
  const last = useRef<Row | undefined>(undefined)
  last.current = id ? (rows.find(row => row.id === id) ?? (last.current?.id === id ? last.current : undefined)) : undefined
  return last.current
}

/** What belongs to the record that is selected. It also has the record itself, which the table may not show. */
function useRelated(known: Row | undefined) {
  const { state } = useApp()
  const { kind, select, at, panel } = state
  const isAsked = Boolean(select && at && (panel === 'related' || !known))
  const key = JSON.stringify(['related', isAsked, kind, select, at])
  return useAsk(key, -1, async signal => (isAsked ? related(kind, select, at, signal) : undefined))
}

/** Stored records, a page at a time. */
function useStored() {
  const { state, tick } = useApp()
  const { kind, from, to, where } = state
  const key = JSON.stringify(['records', kind, from, to, where])
  // Refreshing would move the rows away below the reader's eyes once they went further down.
  const [further, setFurther] = useState<{ key: string; rows: readonly Row[]; next?: string | null }>()
  const beyond = further?.key === key ? further : undefined
  const asked = useAsk(key, beyond ? -1 : tick, signal => records(kind, { from, to, where, limit: pageSize }, signal))
  const next = beyond ? beyond.next : asked.value?.next
  return {
    ...asked,
    rows: [...(asked.value?.rows ?? []), ...(beyond?.rows ?? [])],
    more: next
      ? async () => {
          const page = await records(kind, { from, to, where, limit: pageSize, cursor: next })
          setFurther({ key, rows: [...(beyond?.rows ?? []), ...page.rows], next: page.next })
        }
      : undefined,
  }
}
