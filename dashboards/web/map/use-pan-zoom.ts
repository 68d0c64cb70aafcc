import { type RefObject } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'

export interface Sight {
  x: number
  y: number
  scale: number
}

const limits = { min: 0.15, max: 2.5, fitMax: 1.15 }

/** Where one looks on a drawing of a size: drag moves, the wheel zooms, and until then all of it is seen. */
export function usePanZoom(host: RefObject<HTMLElement | null>, size: { width: number; height: number }) {
  const [sight, setSight] = useState<Sight>({ x: 0, y: 0, scale: 1 })
  const touched = useRef(false)
  const fit = () => {
    const element = host.current
    if (!element || !size.width) return
    const { clientWidth: width, clientHeight: height } = element
    const scale = Math.min(limits.fitMax, (width - 32) / size.width, (height - 32) / size.height)
    setSight({ scale, x: (width - size.width * scale) / 2, y: Math.max(14, (height - size.height * scale) / 2) })
  }
  const zoom = (factor: number, at?: { x: number; y: number }) => {
    touched.current = true
    setSight(old => {
      const scale = Math.min(limits.max, Math.max(limits.min, old.scale * factor))
      const { x, y } = at ?? { x: (host.current?.clientWidth ?? 0) / 2, y: (host.current?.clientHeight ?? 0) / 2 }
      return { scale, x: x - ((x - old.x) * scale) / old.scale, y: y - ((y - old.y) * scale) / old.scale }
    })
  }
  useEffect(() => {
    const element = host.current!
    const observer = new ResizeObserver(() => touched.current || fit())
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
  }, [size.width, size.height])
  const drag = (event: PointerEvent) => {
    if (event.button !== 0) return
    const start = { x: event.clientX, y: event.clientY, sight }
    const move = ({ clientX, clientY }: PointerEvent) => {
      if (Math.hypot(clientX - start.x, clientY - start.y) < 4) return
      touched.current = true
      setSight({ ...start.sight, x: start.sight.x + clientX - start.x, y: start.sight.y + clientY - start.y })
    }
    const end = () => {
      removeEventListener('pointermove', move)
      removeEventListener('pointerup', end)
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
      fit()
    },
  }
}
