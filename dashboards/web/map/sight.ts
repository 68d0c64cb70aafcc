/** Where one looks on a drawing: `x` and `y` are where its corner is in the window, in pixels. */
export interface Sight {
  x: number
  y: number
  scale: number
}

export interface Size {
  width: number
  height: number
}

export interface Bounds extends Size {
  x: number
  y: number
}

const margin = 18
const limits = { min: 0.2, max: 2.5, fitMax: 1.2, readable: 0.62 }

/** All of the drawing, unless it would be too small to read: then its beginning. */
export function fitted(drawing: Size, window: Size): Sight {
  const whole = Math.min((window.width - 2 * margin) / drawing.width, (window.height - 2 * margin) / drawing.height)
  const scale = Math.min(limits.fitMax, Math.max(limits.readable, whole))
  return {
    scale,
    x: Math.max(margin, (window.width - drawing.width * scale) / 2),
    y: Math.max(margin, (window.height - drawing.height * scale) / 2),
  }
}

/** The same, moved (and zoomed when it must be) so that a part of the drawing is in sight. */
export function showing(sight: Sight, part: Bounds, window: Size): Sight {
  const most = Math.min((window.width - 2 * margin) / part.width, (window.height - 2 * margin) / part.height)
  const scale = Math.min(Math.max(sight.scale, limits.readable), most)
  const [left, top] = [sight.x + part.x * scale, sight.y + part.y * scale]
  const isInside =
    left >= margin &&
    top >= margin &&
    left + part.width * scale <= window.width - margin &&
    top + part.height * scale <= window.height - margin
  if (isInside && scale === sight.scale) return sight
  const centre = (start: number, length: number, room: number) => room / 2 - (start + length / 2) * scale
  return { scale, x: centre(part.x, part.width, window.width), y: centre(part.y, part.height, window.height) }
}

/** Zoomed around a point of the window. */
export function zoomed(sight: Sight, factor: number, at: { x: number; y: number }): Sight {
  const scale = Math.min(limits.max, Math.max(limits.min, sight.scale * factor))
  return { scale, x: at.x - ((at.x - sight.x) * scale) / sight.scale, y: at.y - ((at.y - sight.y) * scale) / sight.scale }
}
