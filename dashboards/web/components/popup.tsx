import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'

interface Props {
  label: string
  button: ComponentChildren
  right?: boolean
  children: (close: () => void) => ComponentChildren
}

/** A button and what it opens; closes on Escape and on a click elsewhere. */
export function Popup({ label, button, right = false, children }: Props) {
  const [open, setOpen] = useState(false)
  const host = useRef<HTMLDivElement>(null)
  const close = () => setOpen(false)
  useEffect(() => {
    if (!open) return
    const outside = ({ target }: Event) => host.current?.contains(target as Node) || close()
    const escape = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return
      event.stopPropagation()
      close()
      host.current?.querySelector('button')?.focus()
    }
    addEventListener('pointerdown', outside)
    addEventListener('keydown', escape, true)
    return () => {
      removeEventListener('pointerdown', outside)
      removeEventListener('keydown', escape, true)
    }
  }, [open])
  return (
    <div class="anchor" ref={host}>
      <button type="button" class="button" aria-label={label} aria-expanded={open} title={label} onClick={() => setOpen(!open)}>
        {button}
      </button>
      {open && <div class={right ? 'popup right' : 'popup'}>{children(close)}</div>}
    </div>
  )
}
