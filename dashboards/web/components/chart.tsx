import { useEffect, useRef } from 'preact/hooks'
import type { Option } from '../../render/view.ts'
import type { ECharts } from './echarts.ts'

interface Props {
  option: Option
  /** What the picture says, for those who do not see it. */
  label: string
  tall?: boolean
  /** A stretch of the time axis was chosen with the mouse, in milliseconds. */
  onZoom?: (from: number, to: number) => void
  onPick?: (name: string) => void
}

/** A chart that keeps its instance: a refresh changes the data and nothing else moves. */
export function Chart({ option, label, tall = false, onZoom, onPick }: Props) {
  const host = useRef<HTMLDivElement>(null)
  const chart = useRef<ECharts | undefined>(undefined)
  const newest = useRef({ option, onZoom, onPick })
  newest.current = { option, onZoom, onPick }
  useEffect(() => {
    const element = host.current!
    const resize = new ResizeObserver(() => chart.current?.resize())
    let gone = false
    void import('./echarts.ts').then(({ openChart, onTimeDrag }) => {
      if (gone) return
      chart.current = openChart(element)
      chart.current.setOption(newest.current.option)
      chart.current.on('click', ({ name, seriesName }) => newest.current.onPick?.(name || (seriesName ?? '')))
      onTimeDrag(chart.current, element, (from, to) => newest.current.onZoom?.(from, to))
      resize.observe(element)
    })
    return () => {
      gone = true
      resize.disconnect()
      chart.current?.dispose()
      chart.current = undefined
    }
  }, [])
  useEffect(() => chart.current?.setOption(option, { notMerge: true, lazyUpdate: true }), [option])
  return <div ref={host} class={tall ? 'chart tall' : 'chart'} role="img" aria-label={label} />
}
