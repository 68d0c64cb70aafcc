/** Seconds of the units a duration may have. */
const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

const relative = /^now(?:(?<sign>[+-])(?<count>\d{1,9})(?<unit>[smhdw]))?$/
const absolute = /^(?<seconds>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(?<fraction>\d{1,9}))?(?<zone>[Zz]|[+-]\d\d:\d\d)$/

export const timeForms = 'a time such as 2026-11-21T10:00:00Z or now-15m'

/** Microseconds since 1970 of RFC 3339 or `now-15m`, or nothing when the text is neither. `now` is in milliseconds. */
export function readTime(text: string, now: number): number | undefined {
  const ago = relative.exec(text)?.groups
  if (ago) return Math.round(now * 1000) + Number(`${ago.sign ?? ''}${ago.count ?? 0}`) * (units[ago.unit] ?? 0) * 1e6
  const at = absolute.exec(text)?.groups
  if (!at) return undefined
  const whole = Date.parse(at.seconds.replace(/[t ]/, 'T') + at.zone.toUpperCase())
  return Number.isNaN(whole) ? undefined : whole * 1000 + Math.floor(Number(`0.${at.fraction ?? 0}`) * 1e6)
}

/** RFC 3339, without a fraction where there is none. */
export function writeTime(micros: number): string {
  const whole = new Date(Math.floor(micros / 1e6) * 1000).toISOString().slice(0, 19)
  const fraction = ((micros % 1e6) + 1e6) % 1e6
  return whole + (fraction ? `.${String(fraction).padStart(6, '0').replace(/0+$/, '')}` : '') + 'Z'
}
