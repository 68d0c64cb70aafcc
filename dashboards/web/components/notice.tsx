import type { ComponentChildren } from 'preact'
import { type ApiError, query } from '../api.ts'
import { useAsk } from '../state/ask.ts'
import { useApp } from '../state/context.ts'
import { go } from '../state/navigation.ts'
import { rangeWords, wider } from '../state/range.ts'

/** What went wrong in the server's words, and a way to try again. */
export const Failure = ({ error, retry }: { error: ApiError; retry: () => void }) => (
  <div class="notice" role="alert">
    <h2>{error.code === 'bad_filter' ? 'The filter cannot be asked of this' : 'This could not be answered'}</h2>
    <p>
      {error.message}
      {error.expected.length > 0 && ` Expected ${error.expected.slice(0, 8).join(', ')}.`}
    </p>
    <div class="actions">
      <button type="button" class="button" onClick={retry}>
        Try again
      </button>
    </div>
  </div>
)

/** A range within a sentence: in the last hour, in 21 Nov, 10:00 – 21 Nov, 11:00. */
export const during = (words: string) => (words.startsWith('Last') ? `in the l${words.slice(1)}` : `in ${words}`)

/** Nothing to show, and what to do about it. */
export function Empty({ what = 'data', children }: { what?: string; children?: ComponentChildren }) {
  const { state } = useApp()
  const next = wider(state)
  return (
    <div class="notice">
      <h2>
        No {what} {during(rangeWords(state))}
      </h2>
      {children ?? <p>Nothing that matches was seen in this time.</p>}
      <div class="actions">
        <button type="button" class="button" onClick={() => go(next)}>
          Look at {during(rangeWords(next)).slice(3)}
        </button>
        {state.where && (
          <button type="button" class="button" onClick={() => go({ where: '' })}>
            Clear the filter
          </button>
        )}
      </div>
    </div>
  )
}

/** Nothing to show and nothing asked for in particular: perhaps nothing was ever sent. */
export function NothingYet() {
  const { state, tick } = useApp()
  const asked = useAsk('anything', tick, signal => query({ kind: 'flow', metrics: ['records'] }, { from: 'now-7d', to: 'now' }, signal))
  if (!asked.value) return <Skeleton height={300} />
  const isSilent = !asked.value.rows.some(row => Number(row.at(-1)) > 0)
  return isSilent && !state.where ? <Connect /> : <Empty what="traffic" />
}

/** How to get the first data: shown when nothing was ever seen. */
const Connect = () => (
  <div class="notice">
    <h2>No source has sent anything yet</h2>
    <p>Connect Cilium Hubble: make its relay reachable and say where it is, then start weir again.</p>
    <pre>
      {`kubectl -n kube-system port-forward service/hubble-relay 4245:80
WEIR_HUBBLE_ADDRESS=127.0.0.1:4245 weir up`}
    </pre>
    <p>
      Or run <code>weir up --demo</code> to look around with made-up traffic.
    </p>
  </div>
)

/** Holds the place of what is loading. */
export const Skeleton = ({ height }: { height: number }) => (
  <div class="skeleton" style={{ height: `${height}px` }} role="status" aria-label="Loading" />
)
