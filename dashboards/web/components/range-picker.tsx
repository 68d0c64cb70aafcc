import { useState } from 'preact/hooks'
import { useApp } from '../state/context.ts'
import { go } from '../state/navigation.ts'
import { presets, rangeWords, resolve } from '../state/range.ts'
import { Icon } from './icon.tsx'
import { Popup } from './popup.tsx'

const refreshes = [0, 5, 10, 30, 60]

/** The time range, how often it is asked again, and asking now. */
export function RangePicker() {
  const { state, refresh } = useApp()
  return (
    <>
      <Popup
        right
        label="Time range"
        button={
          <>
            <Icon name="clock" />
            {rangeWords(state)}
          </>
        }
      >
        {close => (
          <div class="range-popup">
            <ul>
              {presets.map(([from, words]) => (
                <li key={from}>
                  <button
                    type="button"
                    class="option"
                    aria-pressed={state.from === from && state.to === 'now'}
                    onClick={() => {
                      go({ from, to: 'now' })
                      close()
                    }}
                  >
                    Last {words}
                  </button>
                </li>
              ))}
            </ul>
            <Custom close={close} />
          </div>
        )}
      </Popup>
      <button type="button" class="button" aria-label="Refresh now" title="Refresh now" onClick={refresh}>
        <Icon name="refresh" />
      </button>
      <select
        class="field"
        aria-label="Refresh every"
        value={state.refresh}
        onChange={({ currentTarget }) => go({ refresh: Number(currentTarget.value) })}
      >
        {[...new Set([...refreshes, state.refresh])].map(seconds => (
          <option key={seconds} value={seconds}>
            {seconds ? `${seconds} s` : 'Off'}
          </option>
        ))}
      </select>
    </>
  )
}

/** A point in time as the input of the browser writes it: local, without a zone. */
const local = (time: number) => new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, 19)

function Custom({ close }: { close: () => void }) {
  const { state } = useApp()
  const [from, setFrom] = useState(() => local(resolve(state.from)))
  const [to, setTo] = useState(() => local(resolve(state.to)))
  const wrong = !(Date.parse(from) < Date.parse(to))
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        go({ from: new Date(from).toISOString(), to: new Date(to).toISOString() })
        close()
      }}
    >
      <label>
        From
        <input class="field" type="datetime-local" step="1" value={from} onInput={({ currentTarget }) => setFrom(currentTarget.value)} />
      </label>
      <label>
        To
        <input class="field" type="datetime-local" step="1" value={to} onInput={({ currentTarget }) => setTo(currentTarget.value)} />
      </label>
      {wrong && <p class="error-text">The end must come after the beginning.</p>}
      <button type="submit" class="button primary" disabled={wrong}>
        Show this range
      </button>
    </form>
  )
}
