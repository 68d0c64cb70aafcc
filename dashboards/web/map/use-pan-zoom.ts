import { type RefObject } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { type Bounds, type Sight, type Size, fitted, showing, zoomed } from './sight.ts'

const dragFromPx = 4

interface Looking {
  drawing: Size
  /** What must be in sight. */
  part: Bounds | undefined
}

/** Where one looks on a drawing: drag moves, the wheel zooms; until then all of it is seen, and always what is selected. */
export function usePanZoom(host: RefObject<HTMLElement | null>, { drawing, part }: Looking) {
  const [sight, setSight] = useState<Sight>({ x: 0, y: 0, scale: 1 })
  const touched = useRef(false)
  const windowSize = (): Size => ({ width: host.current?.clientWidth ?? 0, height: host.current?.clientHeight ?? 0 })
  const settle = () =>
    setSight(old => {
      const wanted = touched.current || (part && old.x !== 0) ? old : fitted(drawing, windowSize())
      return part ? showing(wanted, part, windowSize()) : wanted
    })
  const newest = useRef(settle)
  newest.current = settle
  const zoom = (factor: number, at = { x: windowSize().width / 2, y: windowSize().height / 2 }) => {
    touched.current = true
    setSight(old => zoomed(old, factor, at))
  }
  useEffect(() => {
    const element = host.current!
    const observer = new ResizeObserver(() => newest.current())
    observer.observe(element)
    const wheel = (event: WheelEvent) => {
      event.preventDefault()
      const { left, top } = element.getBoundingClientRect()
      zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), { x: event.clientX - left, y: event.clientY - top })
    }
    element.addEventListener('wheel', wheel, { passive: false })
    return () => {
      observer.disconnect()
      element.removeEventListener('wheel', wheel)
    }
  }, [])
  useEffect(() => newest.current(), [drawing.width, drawing.height, part?.x, part?.y, part?.width, part?.height])
  const drag = (event: PointerEvent) => {
    if (event.button !== 0) return
    let moved = false
    const move = ({ clientX, clientY }: PointerEvent) => {
      const [dx, dy] = [clientX - event.clientX, clientY - event.clientY]
      if (!moved && Math.hypot(dx, dy) < dragFromPx) return
      moved = touched.current = true
      setSight({ ...sight, x: sight.x + dx, y: sight.y + dy })
    }
    const end = () => {
      removeEventListener('pointermove', move)
      removeEventListener('pointerup', end)
      // What was dragged was not clicked.
      if (moved) addEventListener('click', stop, { capture: true, once: true })
      setTimeout(() => removeEventListener('click', stop, { capture: true }), 50)
    }
    addEventListener('pointermove', move)
    addEventListener('pointerup', end)
  }
  return {
    sight,
    drag,
    zoom,
    fit() {
      touched.current = false
      setSight(fitted(drawing, windowSize()))
    },
  }
}

const stop = (event: Event) => event.stopPropagation()
