import type { Value } from '../question.ts'
import { tooltipRow } from './html.ts'
import { groupName, partsOf, timeOf, wordsOf } from './series.ts'
import { clock, moment } from './time.ts'
import { format } from './units.ts'
import { type Draw, frame, tooltip } from './view.ts'

/** Groups down, time (or the last dimension) across, the first metric as colour. */
export const heatmap: Draw = (answer, view) => {
  const { time, groups, metrics } = partsOf(answer, view.metrics)
  const metric = metrics[0] ?? 0
  const unit = answer.columns[metric]?.unit ?? ''
  const across = time >= 0 ? time : (groups.at(-1) ?? 0)
  const down = groups.filter(at => at !== across)
  const columns = orderedColumns(answer.rows, across, time >= 0)
  const names = [...new Set(answer.rows.map(row => groupName(row, down, answer.columns)))].reverse()
  const cells = answer.rows.map(row => [
    columns.indexOf(keyOf(row[across]!, time >= 0)),
    names.indexOf(groupName(row, down, answer.columns)),
    Number(row[metric]),
  ])
  return {
    ...frame(view),
    grid: { left: 8, right: 12, top: 12, bottom: 36, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    tooltip: {
      ...tooltip(view),
      trigger: 'item',
      formatter: ({ value: [x, y, value], color }: { value: [number, number, number]; color: string }) =>
        `<b>${time >= 0 ? moment(Number(columns[x])) : wordsOf(columns[x]!)}</b>${tooltipRow(color, names[y] ?? '', format(value, unit))}`,
    },
    xAxis: {
      type: 'category',
      data: columns.map(column => (time >= 0 ? clock(Number(column), false) : wordsOf(column))),
      axisLabel: { color: view.colours.muted, hideOverlap: true },
      axisTick: { show: false },
      axisLine: { show: false },
    },
    yAxis: {
      type: 'category',
      data: names.map(name => name || 'all'),
      axisLabel: { color: view.colours.text, width: 220, overflow: 'truncate' },
      axisTick: { show: false },
      axisLine: { show: false },
    },
    visualMap: {
      type: 'continuous',
      orient: 'horizontal',
      left: 'center',
      bottom: 0,
      itemHeight: 120,
      itemWidth: 8,
      min: 0,
      max: Math.max(...cells.map(cell => cell[2]!), Number.MIN_VALUE),
      text: ['more', 'less'],
      textStyle: { color: view.colours.muted },
      inRange: { color: [view.colours.grid, view.colours.accent, view.colours.warning, view.colours.error] },
    },
    series: [{ type: 'heatmap', data: cells, itemStyle: { borderColor: view.colours.surface, borderWidth: 1 } }],
  }
}

const keyOf = (value: Value, isTime: boolean) => (isTime ? timeOf(value) : value)

function orderedColumns(rows: readonly (readonly Value[])[], across: number, isTime: boolean): Value[] {
  const columns = [...new Set(rows.map(row => keyOf(row[across]!, isTime)))]
  return isTime ? columns.sort((a, b) => Number(a) - Number(b)) : columns
}
