import { useMemo, useRef, useState } from 'preact/hooks'
import { Icon } from '../components/icon.tsx'
import { useApp } from '../state/context.ts'
import { is, narrowed } from '../state/filter.ts'
import { go } from '../state/navigation.ts'
import { EdgeLabel, EdgeLine } from './edge-line.tsx'
import { type Graph, type MapNode, sent, served } from './graph.ts'
import { lanesOf } from './lane.ts'
import { type Layout, type Placed, card, layoutOf } from './layout.ts'
import { NodeCard } from './node-card.tsx'
import { curveOf, portsOf } from './path.ts'
import type { Bounds } from './sight.ts'
import { usePanZoom } from './use-pan-zoom.ts'

const isArrow = (key: string): key is keyof typeof directions => key in directions
const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as const

/** Looks into a namespace: its workloads, and who they talk to. */
export const drillDown = (where: string, namespace: string) =>
  go({ level: 'workload', select: '', where: narrowed(where, is('namespace', namespace)) })

/** The service map. Its layout follows from who calls whom, so a refresh moves nothing. */
export function ServiceMap({ graph, seconds }: { graph: Graph; seconds: number }) {
  const { state } = useApp()
  const host = useRef<HTMLDivElement>(null)
  const [hovered, setHovered] = useState('')
  const edges = useMemo(() => [...graph.edges.values()].sort((a, b) => a.denials - b.denials || a.errors - b.errors), [graph])
  const shape = JSON.stringify([...graph.edges.keys(), ...graph.nodes.keys()].sort())
  const layout = useMemo(() => layoutOf([...graph.nodes.values()], edges), [shape])
  const ways = useMemo(() => ({ ports: portsOf(edges, layout.nodes), lanes: lanesOf(edges, layout) }), [layout])
  const { sight, drag, zoom, fit } = usePanZoom(host, { drawing: layout, part: boundsOf(graph, layout, state.select) })
  const focus = hovered || state.select
  const near = neighbourhood(graph, focus)
  const pick = (id: string) => go({ select: state.select === id ? '' : id })
  const open = ({ end }: MapNode) => end.namespace && drillDown(state.where, end.namespace)
  const found = (node: MapNode) => state.search !== '' && node.id.toLowerCase().includes(state.search.toLowerCase())
  const shown = edges.map(edge => ({
    edge,
    curve: curveOf(layout.nodes.get(edge.from)!, layout.nodes.get(edge.to)!, { ...ways.ports.get(edge.id), lane: ways.lanes.get(edge.id) }),
    isFaded: near.size > 0 && !near.has(edge.id),
  }))

  const move = (event: KeyboardEvent) => {
    const id = (event.target as Element).closest<SVGElement>('[data-id]')?.dataset.id
    if (event.key === 'Enter' && id) pick(id)
    if (!isArrow(event.key)) return
    event.preventDefault()
    const next = neighbourTowards(layout, id, directions[event.key])
    host.current?.querySelector<SVGElement>(`.node[data-id="${CSS.escape(next ?? '')}"]`)?.focus()
  }

  return (
    <div class="map" ref={host} onKeyDown={move}>
      <svg
        class="map-drawing"
        role="group"
        aria-label="Service map: use the arrow keys to move between services, Enter to select"
        onPointerDown={drag}
      >
        <g transform={`translate(${sight.x} ${sight.y}) scale(${sight.scale})`}>
          {layout.boxes.map(({ name, ...box }) => (
            <g key={name} class="box" onDblClick={() => drillDown(state.where, name)}>
              <rect {...box} rx="11" />
              <text x={box.x + 13} y={box.y + 18}>
                {name}
              </text>
            </g>
          ))}
          {shown.map(({ edge, curve, isFaded }) => (
            <EdgeLine
              key={edge.id}
              edge={edge}
              curve={curve}
              label={`${graph.nodes.get(edge.from)!.name} → ${graph.nodes.get(edge.to)!.name}`}
              seconds={seconds}
              colour={state.colour as 'errors' | 'latency'}
              state={{ selected: state.select === edge.id, faded: isFaded, lit: near.has(edge.id) }}
              onPick={() => pick(edge.id)}
              onHover={setHovered}
            />
          ))}
          {[...graph.nodes.values()].map(node => (
            <NodeCard
              key={node.id}
              node={node}
              at={layout.nodes.get(node.id)!}
              measures={served(graph, node.id)}
              sends={sent(graph, node.id)}
              seconds={seconds}
              state={{
                selected: state.select === node.id,
                faded: (near.size > 0 && !near.has(node.id)) || (state.search !== '' && !found(node)),
                found: found(node),
              }}
              onPick={() => pick(node.id)}
              onOpen={() => open(node)}
              onHover={setHovered}
            />
          ))}
          {shown
            .filter(({ isFaded }) => !isFaded)
            .map(({ edge, curve }) => (
              <EdgeLabel key={edge.id} edge={edge} curve={curve} seconds={seconds} always={focus === edge.id} />
            ))}
        </g>
      </svg>
      <div class="map-tools">
        <button type="button" class="button small" aria-label="Zoom in" onClick={() => zoom(1.3)}>
          <Icon name="plus" />
        </button>
        <button type="button" class="button small" aria-label="Zoom out" onClick={() => zoom(1 / 1.3)}>
          <Icon name="minus" />
        </button>
        <button type="button" class="button small" aria-label="See all of the map" onClick={fit}>
          <Icon name="fit" />
        </button>
      </div>
    </div>
  )
}

/** Where the selection is: a card, or both ends of a link. */
function boundsOf({ edges }: Graph, { nodes }: Layout, id: string): Bounds | undefined {
  const edge = edges.get(id)
  const cards = (edge ? [edge.from, edge.to] : [id]).flatMap(node => nodes.get(node) ?? [])
  if (!cards.length) return undefined
  const [x, y] = [Math.min(...cards.map(each => each.x)), Math.min(...cards.map(each => each.y))]
  return {
    x,
    y,
    width: Math.max(...cards.map(each => each.x)) - x + card.width,
    height: Math.max(...cards.map(each => each.y)) - y + card.height,
  }
}

/** A node with its links and neighbours, or a link with its ends; nothing when neither is meant. */
function neighbourhood({ nodes, edges }: Graph, id: string): Set<string> {
  const edge = edges.get(id)
  if (edge) return new Set([id, edge.from, edge.to])
  if (!nodes.has(id)) return new Set()
  const links = [...edges.values()].filter(({ from, to }) => from === id || to === id)
  return new Set([id, ...links.flatMap(({ id, from, to }) => [id, from, to])])
}

/** The card nearest in a direction; the first when none has the focus. */
function neighbourTowards({ nodes }: Layout, id: string | undefined, [dx, dy]: readonly [number, number]): string | undefined {
  const here = nodes.get(id ?? '')
  if (!here) return [...nodes.keys()][0]
  const distance = ({ x, y }: Placed) => {
    const [along, aside] = dx ? [(x - here.x) * dx, Math.abs(y - here.y)] : [(y - here.y) * dy, Math.abs(x - here.x)]
    return along > 1 ? along + aside * 2.5 : Infinity
  }
  const best = [...nodes.values()].sort((a, b) => distance(a) - distance(b))[0]
  return best && distance(best) < Infinity ? best.id : undefined
}
