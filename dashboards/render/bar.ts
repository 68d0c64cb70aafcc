import { tooltipRow } from './html.ts'
import { timeAxis, valueAxis, colourOf } from './line.ts'
import { groupName, partsOf, seriesOf } from './series.ts'
import { moment } from './time.ts'
import { format } from './units.ts'
import { type Draw, type Option, frame, tooltip } from './view.ts'

/** Bars: stacked over time when the answer has a time, else the groups from the largest down. */
export const bar: Draw = (answer, view) => (partsOf(answer, view.metrics).time >= 0 ? stackedBars(answer, view) : ranking(answer, view))

const stackedBars: Draw = (answer, view) => {
  const series = seriesOf(answer, view.metrics, view)
  const first = series[0]
  return {
    ...frame(view),
    grid: { left: 8, right: 12, top: 12, bottom: 4, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    tooltip: {
      ...tooltip(view),
      trigger: 'item',
      formatter: (hit: Hit) => explain(hit, format(hit.value[1], first?.unit, first?.perSecond)),
    },
    xAxis: timeAxis(view),
    yAxis: valueAxis(view, first?.unit ?? '', first?.perSecond ?? false),
    series: series.map((line, at) => ({
      type: 'bar',
      name: line.name,
      stack: 'all',
      barMaxWidth: 24,
      data: line.points.map(({ time, value }) => [time, value]),
      itemStyle: { color: colourOf(line, at, view) },
    })),
  }
}

interface Hit {
  seriesName: string
  color: string
  value: [time: number, value: number]
}

const explain = ({ seriesName, color, value }: Hit, text: string) => `<b>${moment(value[0])}</b>${tooltipRow(color, seriesName, text)}`

const ranking: Draw = (answer, view): Option => {
  const { groups, metrics } = partsOf(answer, view.metrics)
  const rows = [...answer.rows].slice(0, 40).reverse()
  const unit = answer.columns[metrics[0]!]?.unit ?? ''
  return {
    ...frame(view),
    grid: { left: 8, right: 60, top: 8, bottom: 4, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    tooltip: {
      ...tooltip(view),
      trigger: 'item',
      formatter: (hit: { name: string; color: string; value: number }) => tooltipRow(hit.color, hit.name, format(hit.value, unit)),
    },
    xAxis: { ...valueAxis(view, unit, false), position: 'bottom' },
    yAxis: {
      type: 'category',
      data: rows.map(row => groupName(row, groups, answer.columns) || 'all'),
      axisTick: { show: false },
      axisLine: { show: false },
      axisLabel: { color: view.colours.text, width: 240, overflow: 'truncate' },
    },
    series: metrics.slice(0, 1).map(at => ({
      type: 'bar',
      barMaxWidth: 22,
      data: rows.map(row => Number(row[at])),
      itemStyle: { color: view.colours.accent, borderRadius: [0, 3, 3, 0] },
      label: { show: true, position: 'right', color: view.colours.muted, formatter: ({ value }: { value: number }) => format(value, unit) },
    })),
  }
}
