import { QueryError } from './error.ts'
import { readTime, timeForms } from './time.ts'

const longestDays = 400

/** The range asked for in microseconds; the last hour when nothing is said. */
export function readRange({ from = 'now-1h', to = 'now' }: { from?: string; to?: string }, now: number): { from: number; to: number } {
  const range = { from: readPoint('from', from, now), to: readPoint('to', to, now) }
  if (range.from >= range.to) throw new QueryError('from', `${from} is not before ${to}`)
  if (range.to - range.from > longestDays * 86_400e6) throw new QueryError('from', `${from} to ${to} is longer than ${longestDays} days`)
  return range
}

function readPoint(place: string, text: string, now: number): number {
  const time = readTime(text, now)
  if (time === undefined || time < 0 || time > 4_200_000_000e6)
    throw new QueryError(place, `expected ${timeForms}, got ${JSON.stringify(text)}`)
  return time
}

const points = 30

/** A length that makes about thirty points of whole minutes or hours. */
export function pointLength(query: { from?: string; to?: string }, now = Date.now()): number {
  const { from, to } = readRange(query, now)
  const minutes = Math.max(1, Math.ceil((to - from) / 1e6 / points / 60))
  return minutes > 60 ? Math.ceil(minutes / 60) * 3600 : minutes * 60
}
