const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 }

/** Up and down move the focus among what fits the selector within the element that listens. */
export const moveFocus = (selector: string) => (event: KeyboardEvent) => {
  const step = steps[event.key]
  const around = event.currentTarget
  if (!step || !(around instanceof Element)) return
  const all = [...around.querySelectorAll<HTMLElement>(selector)]
  const at = all.findIndex(one => one.contains(document.activeElement))
  const next = all[at + step]
  if (at < 0 || !next) return
  event.preventDefault()
  next.focus()
}
