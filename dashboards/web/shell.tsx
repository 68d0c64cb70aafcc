import { useMemo } from 'preact/hooks'
import { Navigation } from './components/navigation.tsx'
import { RangePicker } from './components/range-picker.tsx'
import { Signals } from './pages/signals.tsx'
import { AppContext } from './state/context.ts'
import { useUrl } from './state/navigation.ts'
import { useTheme } from './state/theme.ts'
import { useTick } from './state/tick.ts'

/** The frame around every page. */
export function Shell() {
  const state = useUrl()
  const { theme, colours, choose } = useTheme()
  const [tick, refresh] = useTick(state.refresh)
  const app = useMemo(() => ({ state, colours, tick, refresh }), [state, colours, tick])
  return (
    <AppContext.Provider value={app}>
      <div class="shell">
        <Navigation theme={theme} chooseTheme={choose} help={() => {}} />
        <header class="bar">
          <RangePicker />
        </header>
        <main class="main" id="main">
          <Signals />
        </main>
      </div>
    </AppContext.Provider>
  )
}
