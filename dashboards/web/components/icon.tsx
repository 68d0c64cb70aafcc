const paths = {
  map: 'M4 5h5v4H4zM15 4h5v4h-5zM15 16h5v4h-5zM4 15h5v4H4zM9 7h6M9 17h6M17.5 8v8',
  signals: 'M3 12h4l2.5-7 5 14 2.5-7h4',
  denials: 'M12 3l7.5 3v5.5c0 4.5-3 7.8-7.5 9.5-4.5-1.7-7.5-5-7.5-9.5V6zM9 9.5l6 6M15 9.5l-6 6',
  identity: 'M4 5h16v14H4zM9 13.5a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6zM5.5 17c.6-1.7 1.9-2.5 3.5-2.5s2.9.8 3.5 2.5M15 10h3M15 13.5h3',
  flows: 'M4 6h16M4 12h16M4 18h10',
  explore: 'M4 20V4M4 20h16M8 16v-5M12 16V7M16 16v-3',
  quality: 'M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM8 12l3 3 5-6',
  search: 'M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14zM16 16l4.5 4.5',
  filter: 'M4 5h16l-6.5 7.5V19l-3-1.8v-4.7z',
  clock: 'M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM12 7v5l3.5 2',
  refresh: 'M20 5v5h-5M19.5 10A8 8 0 1 0 20 14',
  close: 'M6 6l12 12M18 6L6 18',
  light: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1 1M17.4 17.4l1 1M5.6 18.4l1-1M17.4 6.6l1-1',
  dark: 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z',
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  help: 'M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.5v.1',
  table: 'M4 5h16v14H4zM4 10h16M4 14.5h16M10 5v14',
  chart: 'M4 19h16M5 15l4-5 4 3 6-8',
  columns: 'M4 5h16v14H4zM9.3 5v14M14.7 5v14',
  pause: 'M9 6v12M15 6v12',
  play: 'M8 5.5v13l10.5-6.5z',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  fit: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  down: 'M7 10l5 5 5-5',
  out: 'M9 5H5v14h14v-4M13 5h6v6M19 5l-8 8',
} as const

export type IconName = keyof typeof paths

/** A drawing beside a word; it says nothing on its own. */
export const Icon = ({ name, className = '' }: { name: IconName; className?: string }) => (
  <svg class={`icon ${className}`} viewBox="0 0 24 24" aria-hidden="true">
    <path d={paths[name]} />
  </svg>
)
