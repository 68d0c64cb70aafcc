import { Icon } from '../components/icon.tsx'
import { useApp } from '../state/context.ts'
import { go } from '../state/navigation.ts'
import { levels } from '../state/url.ts'
import type { Graph } from './graph.ts'

/** Level, search and colouring of the map. */
export function MapBar({ graph, hidden }: { graph: Graph; hidden: number }) {
  const { state } = useApp()
  return (
    <div class="map-bar">
      <div class="segments" role="group" aria-label="Level">
        {levels.map(level => (
          <button key={level} type="button" aria-pressed={state.level === level} onClick={() => go({ level, select: '' })}>
            {level === 'namespace' ? 'Namespaces' : 'Workloads'}
          </button>
        ))}
      </div>
      <label class="search">
        <Icon name="search" />
        <input
          id="search"
          type="search"
          placeholder="Find service"
          aria-label="Find on the map"
          value={state.search}
          onInput={({ currentTarget }) => go({ search: currentTarget.value }, { replace: true })}
          onKeyDown={event => event.key === 'Enter' && pickFound(graph, state.search)}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <div class="segments" role="group" aria-label="Colour of the links">
        {(['errors', 'latency'] as const).map(colour => (
          <button key={colour} type="button" aria-pressed={state.colour === colour} onClick={() => go({ colour }, { replace: true })}>
            {colour === 'errors' ? 'Errors' : 'Latency'}
          </button>
        ))}
      </div>
      <button
        type="button"
        class="button small"
        aria-pressed={!state.quiet}
        title="Nodes, DNS and monitoring; what is denied is always shown"
        onClick={() => go({ quiet: !state.quiet })}
      >
        Infrastructure{state.quiet && hidden > 0 ? ` (${hidden} hidden)` : ''}
      </button>
      <Legend colour={state.colour} />
    </div>
  )
}

function pickFound({ nodes }: Graph, search: string): void {
  const found = [...nodes.keys()].sort().find(id => id.toLowerCase().includes(search.toLowerCase()))
  if (search && found) go({ select: found })
}

const Legend = ({ colour }: { colour: string }) => (
  <ul class="map-legend" aria-label="Colours">
    {colour === 'latency' && (
      <li class="fast">
        <i /> p95 under 25 ms
      </li>
    )}
    <li class="calm">
      <i /> {colour === 'errors' ? 'errors under 1 %' : 'under 100 ms'}
    </li>
    <li class="warning">
      <i /> {colour === 'errors' ? '1–5 %' : '100–300 ms'}
    </li>
    <li class="error">
      <i /> {colour === 'errors' ? 'over 5 %' : 'over 300 ms'}
    </li>
    <li class="denied">
      <i /> denied
    </li>
  </ul>
)
