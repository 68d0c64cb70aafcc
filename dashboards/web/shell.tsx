import { Component, type ComponentChildren } from 'preact'
import { useMemo, useRef } from 'preact/hooks'
import { FilterBar } from './components/filter-bar.tsx'
import { Help } from './components/help.tsx'
import { Navigation, pageTitles } from './components/navigation.tsx'
import { RangePicker } from './components/range-picker.tsx'
import { Denials } from './pages/denials.tsx'
import { Explore } from './pages/explore.tsx'
import { Flows } from './pages/flows.tsx'
import { Identity } from './pages/identity.tsx'
import { MapPage } from './pages/map.tsx'
import { Quality } from './pages/quality.tsx'
import { Signals } from './pages/signals.tsx'
import { AppContext } from './state/context.ts'
import { useKeyboard } from './state/keyboard.ts'
import { useUrl } from './state/navigation.ts'
import { useTheme } from './state/theme.ts'
import { useTick } from './state/tick.ts'
import type { Page } from './state/url.ts'

const contents: Readonly<Record<Page, () => ComponentChildren>> = {
  map: () => <MapPage />,
  signals: () => <Signals />,
  denials: () => <Denials />,
  identity: () => <Identity />,
  flows: () => <Flows />,
  explore: () => <Explore />,
  quality: () => <Quality />,
}

/** Pages that fill the window and scroll inside. */
const full: readonly Page[] = ['map', 'flows']

/** The frame around every page. */
export function Shell() {
  const state = useUrl()
  const { theme, colours, choose } = useTheme()
  const [tick, refresh] = useTick(state.refresh)
  const help = useRef<HTMLDialogElement>(null)
  const app = useMemo(() => ({ state, colours, tick, refresh }), [state, colours, tick])
  useKeyboard({ help: () => help.current?.showModal(), refresh })
  document.title = `${pageTitles[state.page]} · weir`
  return (
    <AppContext.Provider value={app}>
      <a class="skip button" href="#main">
        To the content
      </a>
      <div class="shell">
        <Navigation theme={theme} chooseTheme={choose} help={() => help.current?.showModal()} />
        <header class="bar">
          <FilterBar />
          <RangePicker />
        </header>
        <main class={full.includes(state.page) ? 'main full' : 'main'} id="main" tabIndex={-1}>
          <h1 class="visually-hidden">{pageTitles[state.page]}</h1>
          <Boundary key={state.page}>{contents[state.page]()}</Boundary>
        </main>
      </div>
      <Help dialog={help} />
    </AppContext.Provider>
  )
}

/** A page that fails says so and leaves the rest of the app alive. */
class Boundary extends Component<{ children: ComponentChildren }, { error?: Error }> {
  override state: { error?: Error } = {}

  static override getDerivedStateFromError(error: Error) {
    return { error }
  }

  override render() {
    if (!this.state.error) return this.props.children
    return (
      <div class="notice" role="alert">
        <h2>This page failed</h2>
        <p>{this.state.error.message}</p>
        <button type="button" class="button" onClick={() => this.setState({ error: undefined })}>
          Try again
        </button>
      </div>
    )
  }
}
