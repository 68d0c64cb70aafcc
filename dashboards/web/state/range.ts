/** Time ranges: `now-15m` to `now`, or two points in time. */

export const presets = [
  ['now-5m', '5 minutes'],
  ['now-15m', '15 minutes'],
  ['now-1h', 'hour'],
  ['now-6h', '6 hours'],
  ['now-24h', '24 hours'],
  ['now-7d', '7 days'],
] as const

export interface Range {
  from: string
  to: string
}

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** A point in time in milliseconds; NaN when it is none. */
export function resolve(point: string, now = Date.now()): number {
  const match = /^now(?:-(\d+)([smhdw]))?$/.exec(point)
  if (!match) return Date.parse(point)
  return now - Number(match[1] ?? 0) * (seconds[match[2] ?? 's'] ?? 1) * 1000
}

/** Length of a range in seconds. */
export const lengthOf = ({ from, to }: Range, now = Date.now()) => Math.round((resolve(to, now) - resolve(from, now)) / 1000)

/** A point `back` seconds before another, in the same words: relative stays relative. */
function earlier(point: string, back: number): string {
  if (!point.startsWith('now')) return new Date(resolve(point) - back * 1000).toISOString()
  const total = Math.round((0 - resolve(point, 0)) / 1000) + back
  return total ? `now-${total}s` : 'now'
}

const shortestEnd = 120

/** The end of a range (a fifth, two minutes or more), and what came before that, back to as long before the range as it is long. */
export function end(range: Range): [recent: Range, before: Range] {
  const length = lengthOf(range)
  const turn = earlier(range.to, Math.min(length, Math.max(shortestEnd, Math.round(length / 5))))
  return [
    { from: turn, to: range.to },
    { from: earlier(range.from, length), to: turn },
  ]
}

/** The range twice or more as long that ends at the same time; the next preset when there is one. */
export function wider({ from, to }: Range): Range {
  const length = lengthOf({ from, to })
  const preset = presets.find(([start]) => lengthOf({ from: start, to: 'now' }) > length)
  return to === 'now' && preset ? { from: preset[0], to } : { from: earlier(from, length), to }
}

const steps = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400]

/** From this length on a chart has at most a point a minute, which a rollup answers; below it, records do. Seconds. */
const shortestByMinute = 600

/** Seconds per point that give a chart about `points` points, or fewer where that spares reading every record. */
export function everyFor(range: Range, points = 60): number {
  const length = lengthOf(range)
  const finest = Math.max(length / points, length >= shortestByMinute ? 60 : 0)
  return steps.find(step => step >= finest) ?? 86_400
}

/** The range in words. */
export function rangeWords({ from, to }: Range): string {
  const preset = to === 'now' && presets.find(([start]) => start === from)
  return preset ? `Last ${preset[1]}` : `${pointWords(from)} – ${pointWords(to)}`
}

function pointWords(point: string): string {
  if (point.startsWith('now')) return point
  const time = resolve(point)
  return Number.isNaN(time)
    ? point
    : new Date(time).toLocaleString('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })
}
