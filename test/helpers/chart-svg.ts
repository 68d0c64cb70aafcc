import { type EChartsCoreOption, init, use } from 'echarts/core'
import { BarChart, HeatmapChart, LineChart, SankeyChart } from 'echarts/charts'
import { AriaComponent, GridComponent, MarkAreaComponent, TooltipComponent, VisualMapComponent } from 'echarts/components'
import { SVGRenderer } from 'echarts/renderers'

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

/** The picture of an option, drawn without a browser. */
export function svgOf(option: EChartsCoreOption): string {
  const chart = init(null, undefined, { renderer: 'svg', ssr: true, width: 640, height: 320 })
  try {
    chart.setOption(option)
    return chart.renderToSVGString()
  } finally {
    chart.dispose()
  }
}
