import type { RefObject } from 'preact'
import { pageKeys, pageTitles } from './navigation.tsx'

const keys: readonly (readonly [string, string])[] = [
  ['/', 'Find on the map, or filter'],
  ['← ↑ → ↓', 'Move between services on the map'],
  ['↑ ↓', 'Move between records, and between what is related to one'],
  ['Enter', 'Select what has the focus'],
  ['Esc', 'Clear the selection, then the search'],
  ['r', 'Refresh now'],
  ['t', 'Last 15 minutes again'],
  ...Object.entries(pageKeys).map(([key, page]) => [`g ${key}`, `Go to ${pageTitles[page]}`] as const),
  ['?', 'This help'],
]

/** Keys, and the filter language in a nutshell. */
export const Help = ({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) => (
  <dialog class="dialog" ref={dialog} aria-labelledby="help-title">
    <h1 id="help-title">Keyboard and filter</h1>
    <dl class="keys">
      {keys.map(([key, words]) => (
        <>
          <dt>
            <kbd>{key}</kbd>
          </dt>
          <dd>{words}</dd>
        </>
      ))}
    </dl>
    <h3>Filter</h3>
    <p>
      <code>verdict = dropped AND dst_port IN (80, 443)</code>, <code>src_namespace LIKE 'shop%'</code>,{' '}
      <code>src_address IN 10.0.0.0/8</code>, <code>NOT (workload = 'checkout')</code>. A field without <code>src_</code> or{' '}
      <code>dst_</code> means either end. Drag over a chart to zoom into its time.
    </p>
    <form method="dialog" style={{ marginTop: '16px', textAlign: 'right' }}>
      <button type="submit" class="button">
        Close
      </button>
    </form>
  </dialog>
)
