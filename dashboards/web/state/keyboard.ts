import { useEffect, useRef } from 'preact/hooks'
import { pageKeys } from '../components/navigation.tsx'
import { go, goTo } from './navigation.ts'
import { parse } from './url.ts'

const chordMs = 900
const isTyping = (target: EventTarget | null) =>
  target instanceof Element && target.closest('input, textarea, select, dialog[open]') !== null

function focusSearch(): void {
  const field = document.querySelector<HTMLInputElement>('#search') ?? document.querySelector<HTMLInputElement>('#filter')
  field?.focus()
  field?.select()
}

/** Esc takes back one thing: what has the focus, then the selection, then the search. */
function escape(target: EventTarget | null): void {
  if (isTyping(target)) return (target as HTMLElement).blur()
  const state = parse(location.search)
  if (state.select) go({ select: '' })
  else if (state.search) go({ search: '' }, { replace: true })
}

/** The keys that work everywhere; letters only while nobody is typing. */
export function useKeyboard(commands: { help(): void; refresh(): void }): void {
  const newest = useRef(commands)
  newest.current = commands
  useEffect(() => {
    let chordUntil = 0
    const actions: Readonly<Record<string, () => void>> = {
      '/': focusSearch,
      '?': () => newest.current.help(),
      r: () => newest.current.refresh(),
      t: () => go({ from: 'now-15m', to: 'now' }),
      g: () => (chordUntil = Date.now() + chordMs),
    }
    const press = (event: KeyboardEvent) => {
      if (event.key === 'Escape') return escape(event.target)
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      const page = Date.now() < chordUntil ? pageKeys[event.key] : undefined
      chordUntil = 0
      const action = page ? () => goTo(page) : actions[event.key]
      if (!action) return
      event.preventDefault()
      action()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [])
}
