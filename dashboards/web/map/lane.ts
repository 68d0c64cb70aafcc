/** Ways for long links: between the cards they would otherwise hide behind. */
import { type Layout, type Placed, card, column } from './layout.ts'

export interface Lane {
  /** Ends of the straight part. */
  left: number
  right: number
  y: number
}

interface Link {
  id: string
  from: string
  to: string
}

const clearance = 9
const lanesApart = 7
const costs = { card: 400, lane: 60 }
/** With more links than these a lane of one's own is no help to anyone. */
const mostLinks = 300
const shifts = [0, lanesApart, -lanesApart, 2 * lanesApart, -2 * lanesApart]

/** The lane of each link that passes at least one column; the others need none. */
export function lanesOf(links: readonly Link[], { nodes }: Layout): Map<string, Lane> {
  const cards = [...nodes.values()]
  const lanes = new Map<string, Lane>()
  if (links.length > mostLinks) return lanes
  for (const { id, from, to } of [...links].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const [start, end] = [nodes.get(from)!, nodes.get(to)!]
    const [left, right] = [Math.min(start.x, end.x) + column, Math.max(start.x, end.x) - column + card.width]
    const passed = cards.filter(({ x }) => x >= left && x < right)
    if (right > left && passed.length) lanes.set(id, bestLane({ left, right, start, end, passed, taken: [...lanes.values()] }))
  }
  return lanes
}

interface Search {
  left: number
  right: number
  start: Placed
  end: Placed
  passed: readonly Placed[]
  taken: readonly Lane[]
}

/** The height that hits no card, lies on no other lane, and strays least. */
function bestLane({ left, right, start, end, passed, taken }: Search): Lane {
  const middle = card.height / 2
  const [y1, y2] = [start.y + middle, end.y + middle]
  const beside = passed.flatMap(({ y }) => [y - clearance, y + card.height + clearance])
  const heights = [y1, y2, ...beside].flatMap(y => shifts.map(shift => y + shift))
  const costOf = (y: number) => {
    const hit = passed.filter(each => y > each.y - clearance / 2 && y < each.y + card.height + clearance / 2).length
    const shared = taken.filter(lane => Math.abs(lane.y - y) < lanesApart - 1 && lane.left < right && left < lane.right).length
    return Math.abs(y - y1) + Math.abs(y - y2) + hit * costs.card + shared * costs.lane
  }
  const y = heights.reduce((best, tried) => (costOf(tried) < costOf(best) - 0.5 ? tried : best))
  return { left: left - 10, right: right + 10, y }
}
