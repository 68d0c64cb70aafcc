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
