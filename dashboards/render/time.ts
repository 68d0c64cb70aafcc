/** Points in time as people read them: local on the axis, UTC beside it where there is room. */

const two = (value: number) => String(value).padStart(2, '0')

/** 14:03:20 in local time. */
export function clock(time: number, seconds = true): string {
  const date = new Date(time)
  return `${two(date.getHours())}:${two(date.getMinutes())}${seconds ? `:${two(date.getSeconds())}` : ''}`
}

/** 21 Nov 14:03:20 in local time. */
export function moment(time: number): string {
  const date = new Date(time)
  return `${date.getDate()} ${date.toLocaleString('en', { month: 'short' })} ${clock(time)}`
}

/** The time of day when it is today, else with its date. */
export const when = (time: number, now = Date.now()) =>
  new Date(time).toDateString() === new Date(now).toDateString() ? clock(time) : moment(time)

/** 2026-11-21 14:03:20 UTC. */
export const utc = (time: number) => `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`

/** How long ago, roughly: 3 min ago. */
export function ago(time: number, now = Date.now()): string {
  const seconds = Math.max(0, (now - time) / 1000)
  if (seconds < 5) return 'just now'
  if (seconds < 90) return `${Math.round(seconds)} s ago`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`
  return `${Math.round(seconds / 86_400)} d ago`
}

const tickSeconds = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800]
const mostTicks = 5

/** Round points in local time between two, a handful. */
export function ticksOf(from: number, to: number): number[] {
  const step = (tickSeconds.find(seconds => (to - from) / 1000 / seconds <= mostTicks) ?? tickSeconds.at(-1)!) * 1000
  const shift = new Date(from).getTimezoneOffset() * 60_000
  const first = Math.ceil((from - shift) / step) * step + shift
  return Array.from({ length: Math.floor((to - first) / step) + 1 }, (_, at) => first + at * step)
}
