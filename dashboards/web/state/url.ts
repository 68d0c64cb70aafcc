/** What the app shows, as a query string: every state can be shared and goes back and forward. */
import { type Picture, pictures } from '../../panel.ts'

export const pages = ['map', 'signals', 'denials', 'identity', 'flows', 'explore', 'quality'] as const
export type Page = (typeof pages)[number]
export const levels = ['namespace', 'workload'] as const
export type Level = (typeof levels)[number]
export const recordKinds = ['flow', 'request', 'span'] as const
export type ShownKind = (typeof recordKinds)[number]

interface Codec<T> {
  initial: T
  read(text: string): T
  write(value: T): string
}

const text = (initial = ''): Codec<string> => ({ initial, read: value => value, write: value => value })
const flag = (initial = false): Codec<boolean> => ({ initial, read: value => value === '1', write: value => (value ? '1' : '0') })

const whole = (initial: number, max: number): Codec<number> => ({
  initial,
  read: value => (/^\d+$/.test(value) ? Math.min(Number(value), max) : initial),
  write: String,
})

const oneOf = <const T extends string>(values: readonly T[], initial: T): Codec<T> => ({
  initial,
  read: value => values.find(known => known === value) ?? initial,
  write: value => value,
})

const list = (initial: readonly string[] = []): Codec<readonly string[]> => ({
  initial,
  read: value => value.split(',').filter(Boolean),
  write: value => value.join(','),
})

const codecs = {
  page: oneOf(pages, 'map'),
  from: text('now-15m'),
  to: text('now'),
  /** Seconds between refreshes; 0 is off. */
  refresh: whole(10, 3600),
  where: text(),
  level: oneOf(levels, 'workload'),
  /** What is selected: a node, an edge, a workload, a row. */
  select: text(),
  search: text(),
  colour: oneOf(['errors', 'latency'], 'errors'),
  /** Leave out the cluster's own services, such as DNS; what is denied stays. */
  quiet: flag(true),
  /** Column a table is sorted by, with a minus when largest first. */
  sort: text(),
  kind: oneOf(recordKinds, 'flow'),
  /** Time of the record that is selected, by which it is found where the table does not show it. */
  at: text(),
  /** What is shown of it. */
  panel: oneOf(['record', 'related'], 'record'),
  columns: list(),
  live: flag(),
  metrics: list(['requests']),
  by: list(['dst_namespace', 'dst_workload']),
  picture: oneOf(pictures, 'line' as Picture),
  /** Seconds per point; 0 fits the range. */
  every: whole(0, 86_400),
  top: whole(10, 1000),
} as const satisfies Readonly<Record<string, Codec<never> | Codec<string> | Codec<number> | Codec<boolean> | Codec<readonly string[]>>>

type Codecs = typeof codecs
export type State = { [K in keyof Codecs]: Codecs[K] extends Codec<infer T> ? T : never }

const names = Object.keys(codecs) as (keyof State)[]
const codecOf = (name: keyof State) => codecs[name] as Codec<State[keyof State]>

/** The state of a fresh visit. */
export const initial = Object.fromEntries(names.map(name => [name, codecOf(name).initial])) as State

/** The state a query string stands for; what it does not say, or says wrong, is as on a fresh visit. */
export function parse(search: string): State {
  const parameters = new URLSearchParams(search)
  return Object.fromEntries(
    names.map(name => {
      const value = parameters.get(name)
      return [name, value === null ? codecOf(name).initial : codecOf(name).read(value)]
    }),
  ) as State
}

/** The query string of a state; only what differs from a fresh visit. */
export function write(state: State): string {
  const parameters = new URLSearchParams()
  for (const name of names) {
    const value = codecOf(name).write(state[name])
    if (value !== codecOf(name).write(codecOf(name).initial)) parameters.set(name, value)
  }
  const query = parameters.toString()
  return query ? `?${query}` : ''
}

const kept = ['from', 'to', 'refresh', 'where'] as const

/** Another page in the same time and filter; the rest starts afresh. */
export function pageState(state: State, page: Page, patch: Partial<State> = {}): State {
  return { ...initial, ...Object.fromEntries(kept.map(name => [name, state[name]])), page, ...patch }
}
