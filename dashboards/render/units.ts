/** Numbers as people read them: three significant digits and a prefix. */

const prefixes = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const

const durations = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
  [1e-3, 'ms'],
  [1e-6, 'µs'],
  [1e-9, 'ns'],
] as const

const secondsPer: Readonly<Record<string, number>> = { ns: 1e-9, us: 1e-6, ms: 1e-3, s: 1 }

/** Three significant digits without trailing zeros, never in exponents. */
export function digits(value: number): string {
  const size = Math.abs(value)
  const decimals = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : Math.min(4, 2 - Math.floor(Math.log10(size)))
  return String(Number(value.toFixed(decimals)))
}

/** A plain number with an SI prefix: 12.3k. */
export function si(value: number): string {
  const [factor, prefix] = prefixes.find(([factor]) => Math.abs(value) >= factor * 0.9995) ?? [1, '']
  return digits(value / factor) + prefix
}

/** A duration given in seconds: 38.2 ms, 2.4 s, 3 min. */
export function duration(seconds: number): string {
  if (seconds === 0) return '0 s'
  const [factor, unit] = durations.find(([factor]) => Math.abs(seconds) >= factor * 0.9995) ?? durations.at(-1)!
  return `${digits(seconds / factor)} ${unit}`
}

/** A share as a percentage: 3.1 %. */
export const percent = (share: number) => `${digits(share * 100)} %`

/** A value with its unit (UCUM); `perSecond` when it is a rate. */
export function format(value: number | null | undefined, unit = '', perSecond = false): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–'
  if (unit in secondsPer) return duration(value * secondsPer[unit]!)
  if (unit === '1') return percent(value)
  const suffix = perSecond ? '/s' : ''
  if (unit === 'By') {
    const text = si(value)
    const prefix = /[kMGT]$/.exec(text)?.[0] ?? ''
    return `${text.slice(0, text.length - prefix.length)} ${prefix}B${suffix}`
  }
  return si(value) + suffix
}

/** Whether values of the unit add up over time, so that dividing by the seconds of a bucket gives a rate. */
export const isCount = (unit = '') => unit === 'By' || unit === 'count' || unit.startsWith('{')
