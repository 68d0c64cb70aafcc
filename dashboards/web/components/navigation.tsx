import { useApp } from '../state/context.ts'
import { goTo, hrefTo } from '../state/navigation.ts'
import { type Theme, themes } from '../state/theme.ts'
import type { Page } from '../state/url.ts'
import { Icon, type IconName } from './icon.tsx'

export const pageTitles: Readonly<Record<Page, string>> = {
  map: 'Map',
  signals: 'Signals',
  denials: 'Policy drops',
  identity: 'Identities',
  flows: 'Flows',
  explore: 'Explorer',
  quality: 'Quality',
}

/** Keys that follow `g`. */
export const pageKeys: Readonly<Record<string, Page>> = {
  m: 'map',
  s: 'signals',
  d: 'denials',
  i: 'identity',
  f: 'flows',
  e: 'explore',
  q: 'quality',
}

interface Props {
  theme: Theme
  chooseTheme(theme: Theme): void
  help(): void
}

/** The way to every page. */
export function Navigation({ theme, chooseTheme, help }: Props) {
  const { state } = useApp()
  const next = themes[(themes.indexOf(theme) + 1) % themes.length]!
  return (
    <nav class="nav" aria-label="Pages">
      <a class="brand" href={hrefTo(state, 'map')} onClick={follow('map')} aria-label="weir, to the map">
        <Mark />
        <span>weir</span>
      </a>
      {Object.entries(pageKeys).map(([key, page]) => (
        <a
          key={page}
          class="nav-link"
          href={hrefTo(state, page)}
          aria-current={state.page === page ? 'page' : undefined}
          aria-label={pageTitles[page]}
          onClick={follow(page)}
        >
          <Icon name={page as IconName} />
          <span>{pageTitles[page]}</span>
          <kbd aria-hidden="true">g {key}</kbd>
        </a>
      ))}
      <div class="nav-foot">
        <button
          type="button"
          class="button plain small"
          aria-label={`Theme: ${theme}. Change to ${next}`}
          title={`Theme: ${theme}`}
          onClick={() => chooseTheme(next)}
        >
          <Icon name={theme} />
        </button>
        <button type="button" class="button plain small" aria-label="Keyboard and help" title="Keyboard and help (?)" onClick={help}>
          <Icon name="help" />
        </button>
      </div>
    </nav>
  )
}

const follow = (page: Page) => (event: MouseEvent) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return
  event.preventDefault()
  goTo(page)
}

const Mark = () => (
  <svg viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" fill="var(--accent)" />
    <path
      d="M5 9c4 0 4 3 7.3 3s3.4-3 7.4-3 4 3 7.3 3M5 15c4 0 4 3 7.3 3s3.4-3 7.4-3 4 3 7.3 3M5 21c4 0 4 3 7.3 3s3.4-3 7.4-3 4 3 7.3 3"
      fill="none"
      stroke="var(--on-accent)"
      stroke-width="2.4"
      stroke-linecap="round"
    />
  </svg>
)
