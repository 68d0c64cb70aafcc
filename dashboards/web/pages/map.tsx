import { useMemo } from 'preact/hooks'
import { FindingsStrip } from '../map/findings-strip.tsx'
import { selected, withoutPlumbing } from '../map/graph.ts'
import { MapBar } from '../map/map-bar.tsx'
import { ServiceMap } from '../map/service-map.tsx'
import { SidePanel } from '../map/side-panel.tsx'
import { useGraph } from '../map/use-graph.ts'
import { Failure, NothingYet, Skeleton } from '../components/notice.tsx'
import { useApp } from '../state/context.ts'
import { lengthOf } from '../state/range.ts'

/** Who talks to whom, how well, and what is denied. */
export function MapPage() {
  const { state } = useApp()
  const { value, error, retry } = useGraph()
  const graph = useMemo(() => value && (state.quiet ? withoutPlumbing(value.graph) : value.graph), [value, state.quiet])
  const seconds = lengthOf(state)
  if (error && !value) return <Failure error={error} retry={retry} />
  if (!value || !graph) return <Skeleton height={520} />
  const { node, edge } = selected(graph, state.select)
  return (
    <>
      {graph.nodes.size > 0 && <FindingsStrip seen={value} />}
      <MapBar graph={graph} hidden={value.graph.nodes.size - graph.nodes.size} />
      <div class="map-page">
        {graph.nodes.size ? <ServiceMap graph={graph} seconds={seconds} /> : <NothingYet />}
        {(node || edge) && <SidePanel key={state.select} graph={graph} denials={value.denials} seconds={seconds} />}
      </div>
    </>
  )
}
