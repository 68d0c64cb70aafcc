import { useEffect, useRef, useState } from 'preact/hooks'
import type { Candidate, Completion } from '../../../query-api/filter/complete.ts'
import { ApiError, completeFilter } from '../api.ts'
import { useApp } from '../state/context.ts'
import { filterKinds, useFilterError } from '../state/filter-error.ts'
import { go } from '../state/navigation.ts'
import { Icon } from './icon.tsx'

const pauseMs = 120

/** The filter of the page: completed while typing, applied on Enter, what is wrong in it underlined where the server says. */
export function FilterBar() {
  const { state } = useApp()
  const [text, setText] = useState(state.where)
  const error = useFilterError()
  const input = useRef<HTMLInputElement>(null)
  const { completion, chosen, choose, hide, ask } = useCompletion(filterKinds(state)[0]!)
  useEffect(() => setText(state.where), [state.where])
  const apply = (where: string) => {
    hide()
    go({ where: where.trim() })
  }
  const take = (candidate: Candidate) => {
    if (!completion) return
    const next = `${text.slice(0, completion.offset)}${candidate.text} ${text.slice(completion.offset + completion.length).trimStart()}`
    setText(next)
    const caret = completion.offset + candidate.text.length + 1
    moveTo(input.current!, next, caret)
    ask(next, caret)
  }
  const keys = (event: KeyboardEvent) => {
    const options = completion?.candidates ?? []
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      if (!options.length) return ask(text, input.current?.selectionStart ?? text.length)
      event.preventDefault()
      choose((chosen + (event.key === 'ArrowDown' ? 1 : -1) + options.length + 1) % (options.length + 1))
    } else if ((event.key === 'Enter' || event.key === 'Tab') && options[chosen]) {
      event.preventDefault()
      take(options[chosen]!)
    } else if (event.key === 'Enter') apply(text)
    else if (event.key === 'Escape') {
      event.stopPropagation()
      if (options.length) hide()
      else input.current?.blur()
    }
  }
  const shownError = text === state.where ? error : undefined
  return (
    <div class="filter" role="search">
      <div class={shownError ? 'filter-box wrong' : 'filter-box'}>
        <Icon name="filter" />
        <div class="filter-text">
          <Mirror text={text} error={shownError} />
          <input
            ref={input}
            id="filter"
            value={text}
            spellcheck={false}
            autocomplete="off"
            placeholder="Filter: src_namespace = 'shop' AND verdict = dropped"
            aria-label="Filter"
            role="combobox"
            aria-expanded={Boolean(completion?.candidates.length)}
            aria-controls="filter-options"
            aria-invalid={Boolean(shownError)}
            aria-describedby={shownError ? 'filter-error' : undefined}
            onInput={({ currentTarget }) => {
              setText(currentTarget.value)
              ask(currentTarget.value, currentTarget.selectionStart ?? currentTarget.value.length)
            }}
            onFocus={() => text || ask('', 0)}
            onKeyDown={keys}
            onBlur={() => setTimeout(hide, 150)}
          />
        </div>
        {text && (
          <button
            type="button"
            class="button plain small"
            aria-label="Clear the filter"
            onClick={() => {
              setText('')
              apply('')
            }}
          >
            <Icon name="close" />
          </button>
        )}
        {text !== state.where && (
          <button type="button" class="button small primary" onClick={() => apply(text)}>
            Apply
          </button>
        )}
      </div>
      {completion && completion.candidates.length > 0 && <Options candidates={completion.candidates} chosen={chosen} take={take} />}
      {shownError && (
        <p class="filter-error" id="filter-error" role="alert">
          {shownError.message}
        </p>
      )}
    </div>
  )
}

const Options = ({ candidates, chosen, take }: { candidates: readonly Candidate[]; chosen: number; take(candidate: Candidate): void }) => (
  <ul class="popup" id="filter-options" role="listbox" aria-label="Completions">
    {candidates.slice(0, 40).map((candidate, at) => (
      <li key={candidate.text} role="presentation">
        <button
          type="button"
          role="option"
          tabIndex={-1}
          class="option"
          aria-selected={at === chosen}
          onPointerDown={event => event.preventDefault()}
          onClick={() => take(candidate)}
        >
          <span class="mono">{candidate.text}</span>
          <small>{candidate.about ?? candidate.what}</small>
        </button>
      </li>
    ))}
  </ul>
)

/** At once, and not when it is drawn: what is typed next belongs behind it. */
function moveTo(input: HTMLInputElement, text: string, caret: number): void {
  input.value = text
  input.focus()
  input.setSelectionRange(caret, caret)
}

/** The same text behind the input, with the wrong part underlined. */
function Mirror({ text, error }: { text: string; error: ApiError | undefined }) {
  if (error?.position === undefined) return null
  const start = Math.min(error.position, Math.max(0, text.length - 1))
  const end = Math.max(start + 1, start + error.length)
  return (
    <div class="filter-mirror" aria-hidden="true">
      {text.slice(0, start)}
      <u>{text.slice(start, end) || ' '}</u>
      {text.slice(end)}
    </div>
  )
}

/** Asks for completions a moment after the last key; the newest question wins. */
function useCompletion(kind: string) {
  const [completion, setCompletion] = useState<Completion>()
  const [chosen, choose] = useState(0)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const running = useRef<AbortController | undefined>(undefined)
  const stop = () => {
    clearTimeout(timer.current)
    running.current?.abort()
  }
  const ask = (where: string, position: number) => {
    stop()
    setCompletion(known => known && narrowedTo(known, where, position))
    choose(0)
    const { signal } = (running.current = new AbortController())
    timer.current = setTimeout(async () => {
      const answer = await completeFilter({ kind, where, position }, signal).catch(() => undefined)
      if (signal.aborted) return
      setCompletion(answer)
      // An operator or a connective may end the filter: Enter applies it unless something was begun or chosen.
      choose(answer && answer.length > 0 ? 0 : (answer?.candidates.length ?? 0))
    }, pauseMs)
  }
  const hide = () => {
    stop()
    setCompletion(undefined)
  }
  return { completion, chosen, choose, hide, ask }
}

/** The candidates that still fit what has been typed since they were asked for. */
function narrowedTo(known: Completion, where: string, position: number): Completion | undefined {
  const typed = where.slice(known.offset, position).toLowerCase()
  const candidates = position >= known.offset ? known.candidates.filter(({ text }) => text.toLowerCase().includes(typed)) : []
  return candidates.length ? { ...known, candidates, length: position - known.offset } : undefined
}
