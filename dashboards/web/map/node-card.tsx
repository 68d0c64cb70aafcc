import { format, percent } from '../../render/units.ts'
import type { MapNode, Measures } from './graph.ts'
import { type Placed, card } from './layout.ts'

interface Props {
  node: MapNode
  at: Placed
  measures: Measures
  /** What it asks of others. */
  sends: number
  seconds: number
  state: { selected: boolean; faded: boolean; found: boolean }
  onPick(): void
  onOpen(): void
  onHover(id: string): void
}

/** How bad a share of errors is. */
export const severity = (ratio: number | null) => (ratio === null || ratio < 0.01 ? 'calm' : ratio < 0.05 ? 'warning' : 'error')

/** A node as a card: its name, how busy it is, how well it serves. */
export function NodeCard({ node, at, measures, sends, seconds, state, onPick, onOpen, onHover }: Props) {
  const words = wordsOf(measures, sends, seconds)
  return (
    <g
      class={`node ${node.kind} ${severity(measures.error_ratio)} ${state.selected ? 'selected' : ''} ${state.faded ? 'faded' : ''} ${state.found ? 'found' : ''}`}
      transform={`translate(${at.x} ${at.y})`}
      role="button"
      tabIndex={0}
      data-id={node.id}
      aria-pressed={state.selected}
      aria-label={`${node.group ? `${node.group} / ` : ''}${node.name}: ${words}${measures.denials ? `, ${format(measures.denials, 'count')} denied` : ''}`}
      onClick={onPick}
      onDblClick={onOpen}
      onPointerEnter={() => onHover(node.id)}
      onPointerLeave={() => onHover('')}
      onFocus={() => onHover(node.id)}
      onBlur={() => onHover('')}
    >
      <title>{[node.group, node.name].filter(Boolean).join(' / ')}</title>
      <rect class="card-box" width={card.width} height={card.height} rx="7" />
      <rect class="card-mark" width="3.5" height={card.height - 16} x="7" y="8" rx="1.75" />
      <text class="card-name" x="18" y="19">
        {cut(node.name, measures.denials ? 14 : 16)}
      </text>
      <text class="card-words" x="18" y="34.5">
        {words}
      </text>
      {measures.denials > 0 && (
        <g class="card-denied" transform={`translate(${card.width - 13} 13)`}>
          <circle r="7" />
          <path d="M-2.6 -2.6l5.2 5.2M2.6 -2.6l-5.2 5.2" />
        </g>
      )}
    </g>
  )
}

function wordsOf(measures: Measures, sends: number, seconds: number): string {
  const { requests, connections, flows, error_ratio, latency_p95 } = measures
  const rate = (count: number) => format(count / seconds, 'count')
  if (requests)
    return `${rate(requests)}/s · ${error_ratio !== null && error_ratio >= 0.01 ? `${percent(error_ratio)} err` : format(latency_p95, 's')}`
  if (connections) return `${rate(connections)} conn/s`
  if (sends) return `sends ${rate(sends)}/s`
  return flows ? `${rate(flows)} flows/s` : 'quiet'
}

export const cut = (text: string, length: number) => (text.length > length ? `${text.slice(0, length - 1)}…` : text)
