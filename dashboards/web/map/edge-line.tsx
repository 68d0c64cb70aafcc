import { duration, format, percent } from '../../render/units.ts'
import type { MapEdge } from './graph.ts'
import { severity } from './node-card.tsx'
import { type Curve, arrow } from './path.ts'

interface Props {
  edge: MapEdge
  curve: Curve
  label: string
  seconds: number
  colour: 'errors' | 'latency'
  state: { selected: boolean; faded: boolean; lit: boolean }
  onPick(): void
  onHover(id: string): void
}

/** A link: as wide as it is busy, coloured by how well it is answered; what is denied is dashed and red, always on top. */
export function EdgeLine({ edge, curve, label, seconds, colour, state, onPick, onHover }: Props) {
  const { requests, connections, flows, denials } = edge
  const rate = (requests || connections || flows / 4) / seconds
  const width = 1.2 + Math.min(4.5, 1.1 * Math.log10(1 + rate * 3))
  const flowing = requests + connections > 0 || (flows > 0 && !denials)
  return (
    <g
      class={`edge ${toneOf(edge, colour)} ${state.selected ? 'selected' : ''} ${state.faded ? 'faded' : ''} ${state.lit ? 'lit' : ''}`}
      data-id={edge.id}
      onClick={onPick}
      onPointerEnter={() => onHover(edge.id)}
      onPointerLeave={() => onHover('')}
    >
      <title>{`${label}: ${sentenceOf(edge, seconds)}`}</title>
      <path class="edge-touch" d={curve.d} />
      {flowing && <path class="edge-line" d={curve.d} stroke-width={width} />}
      {flowing && <path class="edge-arrow" d={arrow(curve, 3 + width / 2)} />}
      {denials > 0 && <path class="edge-denied" d={curve.d} />}
      {denials > 0 && <path class="edge-denied-arrow" d={arrow(curve, 4.5)} />}
    </g>
  )
}

/** The words beside a link that matters; nothing for the others. */
export function EdgeLabel({ edge, curve, seconds, always }: { edge: MapEdge; curve: Curve; seconds: number; always: boolean }) {
  const isDenied = edge.denials > 0
  const isFailing = severity(edge.error_ratio) !== 'calm' && edge.errors >= 3
  if (!isDenied && !isFailing && !always) return null
  const words = isDenied
    ? `${format(edge.denials, 'count')} denied`
    : isFailing
      ? `${percent(edge.error_ratio!)} errors`
      : sentenceOf(edge, seconds)
  const width = words.length * 5.7 + 14
  return (
    <g
      class={`edge-label ${isDenied ? 'error' : isFailing ? severity(edge.error_ratio) : 'calm'}`}
      transform={`translate(${curve.middle.x} ${curve.middle.y})`}
      aria-hidden="true"
    >
      <rect x={-width / 2} y="-9" width={width} height="18" rx="9" />
      <text text-anchor="middle" y="3.7">
        {words}
      </text>
    </g>
  )
}

function toneOf({ error_ratio, latency_p95 }: MapEdge, colour: 'errors' | 'latency'): string {
  if (colour === 'errors') return severity(error_ratio)
  if (latency_p95 === null) return 'calm'
  return latency_p95 < 0.025 ? 'fast' : latency_p95 < 0.1 ? 'calm' : latency_p95 < 0.3 ? 'warning' : 'error'
}

/** What goes over a link, in words. */
export function sentenceOf({ requests, connections, flows, error_ratio, latency_p95, denials }: MapEdge, seconds: number): string {
  const traffic = requests
    ? `${format(requests / seconds, 'count')} req/s`
    : connections
      ? `${format(connections / seconds, 'count')} conn/s`
      : flows
        ? `${format(flows / seconds, 'count')} flows/s`
        : ''
  const parts = [
    traffic,
    requests && error_ratio !== null ? `${percent(error_ratio)} errors` : '',
    requests && latency_p95 !== null ? `p95 ${duration(latency_p95)}` : '',
    denials ? `${format(denials, 'count')} denied` : '',
  ]
  return parts.filter(Boolean).join(' · ')
}
