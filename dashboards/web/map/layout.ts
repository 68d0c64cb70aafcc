/**
 * Where everything on the map is. Columns come from who calls whom, boxes are namespaces, stacked so that links stay short.
 * It depends on names and links only, so a refresh with other numbers moves nothing.
 */
import { type Link, ranksOf } from './rank.ts'

export interface Placed {
  id: string
  x: number
  y: number
}

export interface Box {
  name: string
  x: number
  y: number
  width: number
  height: number
}

export interface Layout {
  nodes: ReadonlyMap<string, Placed>
  boxes: readonly Box[]
  width: number
  height: number
}

export const card = { width: 146, height: 44 }
/** From one column to the next. */
export const column = card.width + 52
const padding = { side: 12, top: 28, bottom: 12 }

/** Distances between rows and between boxes. */
interface Spacing {
  row: number
  box: number
}

const tight: Spacing = { row: card.height + 20, box: 22 }
const roomy: Spacing = { row: card.height + 42, box: 36 }
/** From this ratio of width to height on there is room above and below. */
const wide = 2.1

interface Item {
  id: string
  group: string
}

interface Group {
  name: string
  /** Node ids by column. */
  columns: Map<number, string[]>
  first: number
  last: number
  height: number
}

/** Lays a graph out; the order of the arguments' members does not matter. */
export function layoutOf(items: readonly Item[], links: readonly Link[]): Layout {
  const ranks = ranksOf(
    items.map(({ id }) => id),
    links,
  )
  const layout = arrange(items, links, { ranks, spacing: tight })
  return layout.width > layout.height * wide ? arrange(items, links, { ranks, spacing: roomy }) : layout
}

function arrange(
  items: readonly Item[],
  links: readonly Link[],
  { ranks, spacing }: { ranks: ReadonlyMap<string, number>; spacing: Spacing },
): Layout {
  let groups = groupsOf(items, ranks, spacing)
  let placed = place(groups, spacing)
  for (let sweep = 0; sweep < 3; sweep++) {
    groups = settle(groups, links, spacing)
    sortColumns(groups, links, place(groups, spacing).nodes)
    placed = place(groups, spacing)
  }
  return placed
}

/** Nodes without a namespace stand alone, each in an invisible box. */
function groupsOf(items: readonly Item[], ranks: ReadonlyMap<string, number>, { row }: Spacing): Group[] {
  const members = Map.groupBy(
    [...items].sort((a, b) => (a.id < b.id ? -1 : 1)),
    ({ id, group }) => group || `\u0000${id}`,
  )
  return [...members]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, nodes]) => {
      const columns = Map.groupBy(
        nodes.map(({ id }) => id),
        id => ranks.get(id)!,
      )
      const rows = Math.max(...[...columns.values()].map(ids => ids.length))
      const isBox = !name.startsWith('\u0000')
      const height = rows * row - (row - card.height) + (isBox ? padding.top + padding.bottom : 0)
      return { name, columns, first: Math.min(...columns.keys()), last: Math.max(...columns.keys()), height }
    })
}

/** Stacks boxes in their order, each as high up as the columns it covers allow. */
function place(groups: readonly Group[], { row, box: gap }: Spacing): Layout {
  const free = new Map<number, number>()
  const nodes = new Map<string, Placed>()
  const boxes: Box[] = []
  for (const { name, columns, first, last, height } of groups) {
    const covered = Array.from({ length: last - first + 1 }, (_, at) => first + at)
    const y = Math.max(...covered.map(at => free.get(at) ?? 0))
    for (const at of covered) free.set(at, y + height + gap)
    const isBox = !name.startsWith('\u0000')
    const inner = isBox ? height - padding.top - padding.bottom : height
    for (const [at, ids] of columns) {
      const start = y + (isBox ? padding.top : 0) + (inner - ids.length * row + (row - card.height)) / 2
      for (const [index, id] of ids.entries()) nodes.set(id, { id, x: at * column + padding.side, y: start + index * row })
    }
    if (isBox) boxes.push({ name, x: first * column, y, width: (last - first) * column + card.width + 2 * padding.side, height })
  }
  const right = Math.max(0, ...groups.map(({ last }) => last * column + card.width + 2 * padding.side))
  return { nodes, boxes, width: right, height: Math.max(0, ...free.values()) - gap }
}

const tooManyToSwap = 24

/** Swaps boxes while that makes the links shorter. */
function settle(groups: readonly Group[], links: readonly Link[], spacing: Spacing): Group[] {
  let best = [...groups]
  if (best.length > tooManyToSwap) return best
  let least = costOf(place(best, spacing), links)
  for (let improved = true; improved;) {
    improved = false
    for (let a = 0; a < best.length; a++) {
      for (let b = a + 1; b < best.length; b++) {
        const tried = best.with(a, best[b]!).with(b, best[a]!)
        const cost = costOf(place(tried, spacing), links)
        if (cost < least - 0.5) [best, least, improved] = [tried, cost, true]
      }
    }
  }
  return best
}

/** How far links run up and down, and how tall it all is. */
function costOf({ nodes, height }: Layout, links: readonly Link[]): number {
  const climb = links.reduce((sum, { from, to }) => sum + Math.abs(nodes.get(from)!.y - nodes.get(to)!.y), 0)
  return climb + height * 2
}

/** Orders the nodes of each column of a box by where their neighbours are. */
function sortColumns(groups: readonly Group[], links: readonly Link[], nodes: ReadonlyMap<string, Placed>): void {
  for (const { columns } of groups) {
    for (const ids of columns.values()) {
      const middle = new Map(ids.map(id => [id, middleOf(id, links, nodes)]))
      ids.sort((a, b) => middle.get(a)! - middle.get(b)! || (a < b ? -1 : 1))
    }
  }
}

function middleOf(id: string, links: readonly Link[], nodes: ReadonlyMap<string, Placed>): number {
  const others = links.filter(({ from, to }) => from === id || to === id).map(({ from, to }) => nodes.get(from === id ? to : from)!.y)
  return others.length ? others.reduce((sum, y) => sum + y, 0) / others.length : nodes.get(id)!.y
}
