import type { Lane } from './lane.ts'
import { type Placed, card } from './layout.ts'

export interface Curve {
  d: string
  /** Where a label sits. */
  middle: { x: number; y: number }
  /** Where the arrow points to, and which way: 1 to the right. */
  end: { x: number; y: number; way: 1 | -1 }
}

export interface Way {
  /** How far from the middle of the cards it begins and ends. */
  out?: number
  into?: number
  lane?: Lane
}

/** The curve of a link: out on the right and in on the left; back on the other sides; a bow between cards of one column. */
export function curveOf(from: Placed, to: Placed, { out = 0, into = 0, lane }: Way = {}): Curve {
  const [y1, y2] = [from.y + card.height / 2 + out, to.y + card.height / 2 + into]
  if (from.x === to.x) return bow(from.x + card.width, y1, y2)
  const way = from.x < to.x ? 1 : -1
  const x1 = way === 1 ? from.x + card.width : from.x
  const tip = way === 1 ? to.x : to.x + card.width
  const x2 = tip - way * 5
  const end = { x: tip, y: y2, way } as const
  if (!lane) return { d: `M${x1} ${y1}${swing(x1, y1, x2, y2)}`, middle: { x: (x1 + x2) / 2, y: (y1 + y2) / 2 }, end }
  const [near, far] = way === 1 ? [lane.left, lane.right] : [lane.right, lane.left]
  const d = `M${x1} ${y1}${swing(x1, y1, near, lane.y)}L${far} ${lane.y}${swing(far, lane.y, x2, y2)}`
  return { d, middle: { x: (near + far) / 2, y: lane.y }, end }
}

/** From point to point, level at both. */
const swing = (x1: number, y1: number, x2: number, y2: number) => {
  const pull = (x2 - x1) * 0.5
  return `C${x1 + pull} ${y1} ${x2 - pull} ${y2} ${x2} ${y2}`
}

const bow = (x: number, y1: number, y2: number): Curve => ({
  d: `M${x} ${y1}C${x + 46} ${y1} ${x + 46} ${y2} ${x + 5} ${y2}`,
  middle: { x: x + 35, y: (y1 + y2) / 2 },
  end: { x, y: y2, way: -1 },
})

/** A triangle at the end of a curve. */
export const arrow = ({ end: { x, y, way } }: Curve, size: number) => `M${x} ${y}l${-way * size * 1.5} ${-size}v${size * 2}z`

/** Spreads the ends of links over a card's side in the order of where they come from, so that they do not lie on one another. */
export function portsOf(
  links: readonly { id: string; from: string; to: string }[],
  nodes: ReadonlyMap<string, Placed>,
): Map<string, { out: number; into: number }> {
  const ports = new Map(links.map(({ id }) => [id, { out: 0, into: 0 }]))
  const spread = (side: 'out' | 'into', own: 'from' | 'to', other: 'from' | 'to') => {
    for (const group of Map.groupBy(links, link => link[own]).values()) {
      const sorted = [...group].sort((a, b) => nodes.get(a[other])!.y - nodes.get(b[other])!.y || (a.id < b.id ? -1 : 1))
      const step = Math.min(8, (card.height - 14) / sorted.length)
      for (const [at, { id }] of sorted.entries()) ports.get(id)![side] = (at - (sorted.length - 1) / 2) * step
    }
  }
  spread('out', 'from', 'to')
  spread('into', 'to', 'from')
  return ports
}
