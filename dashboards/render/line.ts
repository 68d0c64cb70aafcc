import type { Answer } from '../question.ts'
import { tooltipRow } from './html.ts'
import { type Series, seriesOf, timeOf } from './series.ts'
import { clock, moment, ticksOf, utc } from './time.ts'
import { format } from './units.ts'
import { type Draw, type Option, type View, frame, tooltip } from './view.ts'

/** Lines over time. */
export const line: Draw = (answer, view) => overTime(answer, view, false)

/** Areas stacked over time. */
export const area: Draw = (answer, view) => overTime(answer, view, true)

function overTime(answer: Answer, view: View, stacked: boolean): Option {
  const series = seriesOf(answer, view.metrics, view)
  const units = [...new Set(series.map(({ unit }) => unit))].slice(0, 2)
  return {
    ...frame(view),
    grid: { left: 8, right: units.length > 1 ? 8 : 12, top: 12, bottom: 4, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    tooltip: { ...tooltip(view), trigger: 'axis', formatter: (hits: Hit[]) => explain(hits, series) },
    xAxis: timeAxis(view),
    yAxis: units.length ? units.map((unit, at) => valueAxis(view, unit, series.find(line => line.unit === unit)!.perSecond, at)) : [{}],
    series: series
      .map((line, at) => drawLine(line, { colour: colourOf(line, at, view), axis: units.indexOf(line.unit), stacked }))
      .map(incomplete(answer, view)),
  }
}

interface Hit {
  seriesIndex: number
  color: string
  value: [time: number, value: number | null]
}

function explain(hits: Hit[], series: readonly Series[]): string {
  if (!hits.length) return ''
  const time = hits[0]!.value[0]
  const rows = hits
    .filter(({ value }) => value[1] !== null)
    .sort((a, b) => (b.value[1] ?? 0) - (a.value[1] ?? 0))
    .slice(0, 14)
    .map(({ seriesIndex, color, value }) => {
      const { name, unit, perSecond } = series[seriesIndex]!
      return tooltipRow(color, name, format(value[1], unit, perSecond))
    })
  return `<div style="margin-bottom:4px"><b>${moment(time)}</b> <span style="opacity:.7">${utc(time).slice(11)}</span></div>${rows.join('')}`
}

export const timeAxis = ({ colours, from, to }: View): Option => ({
  type: 'time',
  min: from,
  max: to,
  axisLine: { lineStyle: { color: colours.grid } },
  axisTick: { show: false },
  splitLine: { show: false },
  axisLabel: {
    color: colours.muted,
    hideOverlap: true,
    customValues: from !== undefined && to !== undefined ? ticksOf(from, to) : undefined,
    formatter: (time: number) => axisTime(time, to !== undefined && from !== undefined ? to - from : 0),
  },
})

const axisTime = (time: number, span: number) => (span > 36e5 * 30 ? moment(time).slice(0, -3) : clock(time, span > 0 && span < 6e5))

export const valueAxis = ({ colours }: View, unit: string, perSecond: boolean, at = 0): Option => ({
  type: 'value',
  position: at ? 'right' : 'left',
  min: 0,
  splitNumber: 3,
  axisLine: { show: false },
  splitLine: { show: at === 0, lineStyle: { color: colours.grid } },
  axisLabel: { color: colours.muted, formatter: (value: number) => format(value, unit, perSecond) },
})

/** So few would not make a line. */
const fewPoints = 3

const drawLine = ({ name, points }: Series, { colour, axis, stacked }: { colour: string; axis: number; stacked: boolean }): Option => ({
  type: 'line',
  name,
  yAxisIndex: Math.max(0, axis),
  data: points.map(({ time, value }) => [time, value]),
  showSymbol: points.filter(({ value }) => value !== null).length < fewPoints,
  symbolSize: 5,
  lineStyle: { width: stacked ? 1 : 1.75, color: colour },
  itemStyle: { color: colour },
  areaStyle: stacked ? { color: colour, opacity: 0.55 } : undefined,
  stack: stacked ? 'all' : undefined,
  emphasis: { focus: 'series' },
})

const meanings: Readonly<Record<string, 'error' | 'warning'>> = {
  errors: 'error',
  error_ratio: 'error',
  denials: 'error',
  drops: 'error',
  latency_p99: 'warning',
}

/** Errors are red wherever they are one line of several metrics. */
export const colourOf = ({ metric, name }: Series, at: number, { colours, names }: View) =>
  meanings[metric] && name === (names?.[metric] ?? metric) ? colours[meanings[metric]] : colours.series[at % colours.series.length]!

/** Shades what may still change: the time after the watermark. */
const incomplete =
  ({ meta }: Answer, { colours, to }: View) =>
  (series: Option, at: number): Option => {
    const since = meta.watermark ? timeOf(meta.watermark) : Number.NaN
    if (at > 0 || to === undefined || !(since < to)) return series
    return {
      ...series,
      markArea: { silent: true, itemStyle: { color: colours.muted, opacity: 0.1 }, data: [[{ xAxis: since }, { xAxis: to }]] },
    }
  }
