/** The colours of a picture. The app reads them from its style sheet; a server gives its own. */
export interface Colours {
  text: string
  muted: string
  grid: string
  surface: string
  series: readonly string[]
  error: string
  warning: string
  accent: string
}

export const light: Colours = {
  text: '#16202a',
  muted: '#5b6875',
  grid: '#e4e8ec',
  surface: '#ffffff',
  series: ['#0b7285', '#d9660b', '#5b5bd6', '#2f8f46', '#b8338a', '#8a6d00', '#3b7dd8', '#a3472c', '#6f7b87', '#158f7b'],
  error: '#c92a2a',
  warning: '#b35c00',
  accent: '#0b7285',
}

export const dark: Colours = {
  text: '#e6ebf0',
  muted: '#93a1af',
  grid: '#242c35',
  surface: '#141a21',
  series: ['#3fb6c6', '#f2994a', '#9a8cff', '#6cc97e', '#ee7fc4', '#d9bf4a', '#74a9f7', '#e08a6d', '#a3afbb', '#5fd3bb'],
  error: '#ff6b6b',
  warning: '#ffb454',
  accent: '#3fb6c6',
}
