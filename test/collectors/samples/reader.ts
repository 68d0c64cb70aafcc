import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { ExecutionContext } from 'ava'
import type { Labels, Point } from '../../../collectors/samples/point.ts'

const fixtures = new URL('../../../../shared/fixtures/', import.meta.url)

/** The text of a fixture; says that the test is skipped where there is none, and fails in CI. */
export function fixture(t: ExecutionContext, name: string): string | undefined {
  const file = new URL(name, fixtures)
  if (existsSync(file)) return (name.endsWith('.gz') ? gunzipSync(readFileSync(file)) : readFileSync(file)).toString('utf8')
  if (process.env.CI) throw new Error(`no fixture ${name}`)
  t.log(`skipped: no fixture ${name}`)
  t.pass()
  return undefined
}

export interface Line {
  name: string
  labels: Labels
  value: number
}

/** The lines of a scrape that have a value: only as much of Prometheus' text format as the fixtures need. */
export function* lines(text: string): Generator<Line> {
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line)
    if (!found) continue
    const labels = [...(found[2] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value] as const)
    yield { name: found[1], labels, value: Number(found[3]) }
  }
}

/** The points of a scrape; cumulative buckets become a histogram. */
export function pointsOf(text: string, time: number): Point[] {
  const points: Point[] = []
  const histograms = new Map<string, { point: Point; below: number; bounds: number[]; counts: number[]; sum: number }>()
  for (const { name, labels, value } of lines(text)) {
    const part = /^(.*)_(bucket|sum|count)$/.exec(name)
    if (!part) {
      const type = name.endsWith('_total') ? 'counter' : 'gauge'
      points.push({ metric: name, type, labels, time, value })
      continue
    }
    const own = labels.filter(([label]) => label !== 'le')
    const key = JSON.stringify([part[1], own])
    let histogram = histograms.get(key)
    if (!histogram) {
      const point: Point = { metric: part[1], type: 'histogram', labels: own, time, value: 0 }
      histogram = { point, below: 0, bounds: [], counts: [], sum: 0 }
      histograms.set(key, histogram)
      points.push(point)
    }
    if (part[2] === 'sum') histogram.sum = value
    else if (part[2] === 'bucket') {
      histogram.bounds.push(Number(labels.find(([label]) => label === 'le')![1].replace('+Inf', 'Infinity')))
      histogram.counts.push(value - histogram.below)
      histogram.below = value
    } else histogram.point.value = value
  }
  for (const { point, bounds, counts, sum } of histograms.values()) point.histogram = { bounds, counts, sum }
  return points
}

/** The same series a moment before they counted anything. */
export const atZero = (points: readonly Point[], time: number): Point[] =>
  points.map(point => {
    const empty = point.histogram && { ...point.histogram, sum: 0, counts: point.histogram.counts.map(() => 0) }
    return { ...point, time, value: 0, histogram: empty }
  })
