import { useEffect, useState } from 'preact/hooks'
import { type Page, type State, pageState, parse, write } from './url.ts'

const changed = new EventTarget()

/** The state the address stands for; follows back, forward and `go`. */
export function useUrl(): State {
  const [state, setState] = useState(() => parse(location.search))
  useEffect(() => {
    const read = () => setState(parse(location.search))
    changed.addEventListener('change', read)
    addEventListener('popstate', read)
    return () => {
      changed.removeEventListener('change', read)
      removeEventListener('popstate', read)
    }
  }, [])
  return state
}

/** Changes parts of the state. `replace` leaves no step to go back to: for what changes while typing. */
export function go(patch: Partial<State>, { replace = false } = {}): void {
  show({ ...parse(location.search), ...patch }, replace)
}

/** Goes to another page in the same time and filter. */
export const goTo = (page: Page, patch: Partial<State> = {}) => show(pageState(parse(location.search), page, patch), false)

/** The address of a page in the same time and filter. */
export const hrefTo = (state: State, page: Page, patch: Partial<State> = {}) => location.pathname + write(pageState(state, page, patch))

function show(state: State, replace: boolean): void {
  const href = location.pathname + write(state)
  if (href === location.pathname + location.search) return
  if (replace) history.replaceState(null, '', href)
  else history.pushState(null, '', href)
  changed.dispatchEvent(new Event('change'))
}
