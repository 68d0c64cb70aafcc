/** The parts of ECharts we use; loaded with the first chart. */
import { BarChart, HeatmapChart, LineChart, SankeyChart } from 'echarts/charts'
import { AriaComponent, GridComponent, MarkAreaComponent, TooltipComponent, VisualMapComponent } from 'echarts/components'
import { type ECharts, init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

export type { ECharts }

use([
  LineChart,
  BarChart,
  HeatmapChart,
  SankeyChart,
  GridComponent,
  TooltipComponent,
  MarkAreaComponent,
  VisualMapComponent,
  AriaComponent,
  SVGRenderer,
])

/** A chart in an element; dispose it. */
export const openChart = (element: HTMLElement): ECharts => init(element, undefined, { renderer: 'svg' })

const smallestDragPx = 6

/** Calls back with the stretch of the time axis that was dragged over. */
export function onTimeDrag(chart: ECharts, element: HTMLElement, zoom: (from: number, to: number) => void): void {
  const shade = document.createElement('div')
  shade.className = 'drag-shade'
  let start: number | undefined
  const surface = chart.getZr()
  const finish = () => {
    start = undefined
    shade.remove()
  }
  surface.on('mousedown', ({ offsetX, offsetY }) => {
    if (isTimeAxis(chart) && chart.containPixel('grid', [offsetX, offsetY])) start = offsetX
  })
  surface.on('mousemove', ({ offsetX }) => {
    if (start === undefined || Math.abs(offsetX - start) < smallestDragPx) return
    Object.assign(shade.style, { left: `${Math.min(start, offsetX)}px`, width: `${Math.abs(offsetX - start)}px` })
    element.append(shade)
  })
  surface.on('mouseup', ({ offsetX }) => {
    const ends = start === undefined || Math.abs(offsetX - start) < smallestDragPx ? undefined : [start, offsetX].sort((a, b) => a - b)
    finish()
    if (ends) zoom(timeAt(chart, ends[0]!), timeAt(chart, ends[1]!))
  })
  surface.on('globalout', finish)
}

const isTimeAxis = (chart: ECharts) => (chart.getOption() as { xAxis?: { type?: string }[] }).xAxis?.[0]?.type === 'time'
const timeAt = (chart: ECharts, x: number) => Math.round(Number(chart.convertFromPixel({ xAxisIndex: 0 }, x)))
