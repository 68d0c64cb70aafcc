import { ConfigError } from '../../runtime/error.ts'

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** What a part of a time adds to it. */
interface Parts {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
  micros: number
  /** Seconds since 1970, where they are given as such. */
  epoch?: number
  /** Minutes east of Greenwich. */
  zone: number
}

type Take = (parts: Parts, text: string) => void

const number =
  (name: 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'epoch'): Take =>
  (parts, text) =>
    void (parts[name] = Number(text))
const fraction: Take = (parts, text) => void (parts.micros = Math.floor(Number(`0.${text}`) * 1e6 + 0.5))
const nothing: Take = () => {}

/** Conversion specifiers, with the pattern of what they print. */
const specifiers: Readonly<Record<string, readonly [pattern: string, take: Take]>> = {
  Y: ['\\d{4}', number('year')],
  m: ['\\d{2}', number('month')],
  d: ['\\d{2}', number('day')],
  e: ['[ \\d]?\\d', number('day')],
  H: ['\\d{2}', number('hour')],
  M: ['\\d{2}', number('minute')],
  S: ['\\d{2}', number('second')],
  s: ['\\d{1,12}', number('epoch')],
  f: ['\\d{1,9}', fraction],
  y: ['\\d{2}', (parts, text) => void (parts.year = 2000 + Number(text))],
  b: ['[A-Z][a-z]{2}', (parts, text) => void (parts.month = months.indexOf(text) + 1)],
  z: ['[+-]\\d{2}:?\\d{2}', readZone],
  Z: ['[A-Z]+', nothing],
  a: ['[A-Z][a-z]{2}', nothing],
}

const composed: Readonly<Record<string, string>> = { T: '%H:%M:%S', F: '%Y-%m-%d', R: '%H:%M', D: '%m/%d/%y' }

function readZone(parts: Parts, text: string): void {
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(-2))
  parts.zone = text.startsWith('-') ? -minutes : minutes
}

/**
 * Makes a reader of times out of the argument of %START_TIME(…)%: microseconds, NaN for what has not the form. Knows the specifiers of
 * strftime that are numbers, %s, and Envoy's %f, %3f, %6f, %9f and %E3S. Throws ConfigError with the place of one it does not know.
 */
export function compileTime(format: string, where: string): (text: string) => number {
  const spelled = format.replaceAll(/%([TFRD])/g, (_, letter: string) => composed[letter])
  const takes: Take[] = []
  const one = /%(?:E(\d|\*)S|([1-9])f|([a-zA-Z%]))|[^%]+|%/g
  const pattern = [...spelled.matchAll(one)].map(match => {
    const [text, digits, width, letter] = match
    if (digits) {
      takes.push(specifiers.S[1], fraction)
      return digits === '*' ? '(\\d{2})\\.?(\\d*)' : `(\\d{2})\\.(\\d{${digits}})`
    }
    if (width) return group(takes, `\\d{${width}}`, fraction)
    if (letter === '%') return '%'
    if (!text.startsWith('%')) return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
    const known = letter && Object.hasOwn(specifiers, letter) ? specifiers[letter] : undefined
    if (!known) throw new ConfigError(`${where}: the time has ${text} at ${match.index}, which is not known`)
    return group(takes, ...known)
  })
  return readerOf(new RegExp(`^${pattern.join('')}$`), takes)
}

function group(takes: Take[], pattern: string, take: Take): string {
  takes.push(take)
  return `(${pattern})`
}

function readerOf(pattern: RegExp, takes: readonly Take[]): (text: string) => number {
  return text => {
    const found = pattern.exec(text)
    if (!found) return NaN
    const parts: Parts = { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0, zone: 0 }
    takes.forEach((take, index) => take(parts, found[index + 1]))
    const seconds =
      parts.epoch ?? Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute - parts.zone, parts.second) / 1000
    return seconds * 1e6 + parts.micros
  }
}
