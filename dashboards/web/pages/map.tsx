import { useMemo } from 'preact/hooks'
import { Failure, NothingYet, Skeleton } from '../components/notice.tsx'
import { FindingsStrip } from '../map/findings-strip.tsx'
import { selected, withoutPlumbing } from '../map/graph.ts'
import { MapBar } from '../map/map-bar.tsx'
import { ServiceMap } from '../map/service-map.tsx'
import { SidePanel } from '../map/side-panel.tsx'
import { findings } from '../map/stands-out.ts'
import { useGraph, usePast } from '../map/use-graph.ts'
import { useApp } from '../state/context.ts'
import { lengthOf } from '../state/range.ts'

/** Who talks to whom, how well, and what is denied. */
export function MapPage() {
  const { state } = useApp()
  const { value: whole, error, retry } = useGraph()
  const past = usePast()
  const graph = useMemo(() => whole && (state.quiet ? withoutPlumbing(whole) : whole), [whole, state.quiet])
  const found = useMemo(() => whole && past.value && findings({ whole, ...past.value }), [whole, past.value])
  const seconds = lengthOf(state)
  if (error && !whole) return <Failure error={error} retry={retry} />
  if (!whole || !graph) return <Skeleton height={520} />
  const { node, edge } = selected(graph, state.select)
  return (
    <>
      {graph.nodes.size > 0 && <FindingsStrip findings={found} error={past.error} recentSeconds={past.value?.seconds.recent ?? 0} />}
      <MapBar graph={graph} hidden={whole.nodes.size - graph.nodes.size} />
      <div class="map-page">
        {graph.nodes.size ? <ServiceMap graph={graph} seconds={seconds} /> : <NothingYet />}
        {(node || edge) && <SidePanel key={state.select} graph={graph} denials={past.value?.denials ?? []} seconds={seconds} />}
      </div>
    </>
  )
}
