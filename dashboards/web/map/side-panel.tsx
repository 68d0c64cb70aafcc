import { useEffect, useRef } from 'preact/hooks'
import type { Denial } from '../../../query-api/denials.ts'
import { selection } from '../../definitions/selection.ts'
import { format, percent } from '../../render/units.ts'
import { Icon } from '../components/icon.tsx'
import { PanelCard } from '../components/panel-card.tsx'
import { useApp } from '../state/context.ts'
import { both } from '../state/filter.ts'
import { go, goTo, hrefTo } from '../state/navigation.ts'
import { DenialList } from './denial-list.tsx'
import { sentenceOf } from './edge-line.tsx'
import { type Graph, type MapEdge, type MapNode, type Measures, denialsOf, endIs, overLink, selected, served, takesPart } from './graph.ts'
import { passedOf, sightsOf } from './seen-by.ts'
import { drillDown } from './service-map.tsx'

/** What is selected on the map: its golden signals over time, ports, denials, neighbours, and where to look further. */
export function SidePanel({ graph, denials, seconds }: { graph: Graph; denials: readonly Denial[]; seconds: number }) {
  const { state } = useApp()
  const host = useRef<HTMLElement>(null)
  useEffect(() => {
    // Below the map on a phone, where a selection would otherwise go unseen.
    if (matchMedia('(max-width: 720px)').matches) host.current?.scrollIntoView({ block: 'start', behavior: 'smooth' })
  }, [])
  const { node, edge } = selected(graph, state.select)
  const condition = node ? takesPart(node) : overLink(graph, edge!)
  const asServer = node ? endIs(node, node.role === 'client' ? 'src' : 'dst') : condition
  return (
    <aside class="side" aria-label="Selection" ref={host}>
      <header class="side-head">
        {node ? <NodeTitle node={node} /> : <EdgeTitle graph={graph} edge={edge!} />}
        <button type="button" class="button plain small" aria-label="Close" title="Close (Esc)" onClick={() => go({ select: '' })}>
          <Icon name="close" />
        </button>
      </header>
      <Actions condition={node ? condition : overLink(graph, edge!, { replies: true })} namespace={node?.end.namespace} />
      <Numbers measures={edge ?? served(graph, node!.id)} seconds={seconds} />
      <DenialList denials={denialsOf(graph, denials, state.select)} />
      {selection.panels.map(panel => (
        <PanelCard key={panel.title} panel={panel} where={asServer} hideWhenEmpty />
      ))}
      <PortList ports={(edge ?? served(graph, node!.id)).ports} />
      {edge && <SeenBy edge={edge} />}
      {node && <Neighbours graph={graph} id={node.id} seconds={seconds} />}
    </aside>
  )
}

const NodeTitle = ({ node }: { node: MapNode }) => (
  <div>
    <h3>{node.group || node.kind}</h3>
    <h1>{node.name}</h1>
  </div>
)

function EdgeTitle({ graph: { nodes }, edge }: { graph: Graph; edge: MapEdge }) {
  const [from, to] = [nodes.get(edge.from)!, nodes.get(edge.to)!]
  return (
    <div>
      <h3>
        {from.group || from.kind} → {to.group || to.kind}
      </h3>
      <h1>
        {from.name} → {to.name}
      </h1>
    </div>
  )
}

function Actions({ condition, namespace }: { condition: string; namespace?: string }) {
  const { state } = useApp()
  const where = both(state.where, condition)
  const link = (words: string, page: 'flows' | 'explore' | 'denials', patch: object) => (
    <a
      class="button small"
      href={hrefTo(state, page, { where, ...patch })}
      onClick={event => {
        event.preventDefault()
        goTo(page, { where, ...patch })
      }}
    >
      {words}
    </a>
  )
  return (
    <div class="side-actions">
      {link('Flows', 'flows', {})}
      {link('Requests', 'flows', { kind: 'request' })}
      {link('Explore', 'explore', { by: ['src_workload', 'dst_workload'] })}
      {namespace && state.level === 'namespace' && (
        <button type="button" class="button small" onClick={() => drillDown(state.where, namespace)}>
          Its workloads
        </button>
      )}
    </div>
  )
}

function Numbers({ measures: edge, seconds }: { measures: Measures; seconds: number }) {
  const numbers: [string, string, string?][] = [
    ['Requests', format(edge.requests / seconds, 'count', true)],
    ['Errors', edge.error_ratio === null ? '–' : percent(edge.error_ratio), (edge.error_ratio ?? 0) >= 0.01 ? 'error-text' : ''],
    ['p95', format(edge.latency_p95, 's')],
    ['Connections', format(edge.connections / seconds, 'count', true)],
    ['Denied', format(edge.denials, 'count'), edge.denials ? 'error-text' : ''],
  ]
  return (
    <dl class="numbers">
      {numbers.map(([name, value, tone]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class={`number ${tone ?? ''}`}>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function Neighbours({ graph, id, seconds }: { graph: Graph; id: string; seconds: number }) {
  const list = (title: string, own: 'from' | 'to', other: 'from' | 'to') => {
    const edges = [...graph.edges.values()].filter(edge => edge[own] === id)
    if (!edges.length) return null
    return (
      <section class="card neighbours">
        <h3>{title}</h3>
        <ul>
          {edges.map(edge => (
            <li key={edge.id}>
              <button type="button" class="option" onClick={() => go({ select: edge.id })}>
                <span>{graph.nodes.get(edge[other])!.name}</span>
                <small class={edge.denials || (edge.error_ratio ?? 0) >= 0.01 ? 'error-text' : ''}>{sentenceOf(edge, seconds)}</small>
              </button>
            </li>
          ))}
        </ul>
      </section>
    )
  }
  return (
    <>
      {list('Called by', 'to', 'from')}
      {list('Calls', 'from', 'to')}
    </>
  )
}

/** Who told of a link, and whether what left one end arrived at the other. */
function SeenBy({ edge }: { edge: MapEdge }) {
  const sights = sightsOf(edge.seen_by)
  if (!sights.length) return null
  return (
    <section class="card neighbours seen-by">
      <h3>Seen by</h3>
      <ul>
        {sights.map(({ who, where, told, records }) => (
          <li key={`${who} ${where} ${told}`} class="port">
            <span>
              {who} <span class="muted">{where}</span>
            </span>
            <span class="muted number">
              {format(records, 'count')} {told} records
            </span>
          </li>
        ))}
        {passedOf(edge).map(([name, flows]) => (
          <li key={name} class="port">
            <span>{name}</span>
            <span class={`number ${name.startsWith('Lost') && flows > 0 ? 'error-text' : 'muted'}`}>{format(flows, 'count')} flows</span>
          </li>
        ))}
      </ul>
    </section>
  )
}

const PortList = ({ ports }: { ports: Measures['ports'] }) =>
  ports.length ? (
    <section class="card neighbours">
      <h3>Ports</h3>
      <ul>
        {[...ports]
          .sort((a, b) => b.flows - a.flows)
          .map(({ port, protocol, flows }) => (
            <li key={`${protocol}/${port}`} class="port">
              <span class="mono">
                {protocol}/{port}
              </span>
              <span class="muted number">{format(flows, 'count')} flows</span>
            </li>
          ))}
      </ul>
    </section>
  ) : null
