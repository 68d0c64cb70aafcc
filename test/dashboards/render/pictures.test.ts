import test from 'ava'
import type { Answer } from '../../../dashboards/question.ts'
import { light } from '../../../dashboards/render/colours.ts'
import { drawings } from '../../../dashboards/render/index.ts'
import { seriesOf } from '../../../dashboards/render/series.ts'
import { svgOf } from '../../helpers/chart-svg.ts'

const minute = (at: number) => new Date(Date.UTC(2026, 10, 21, 10, at)).toISOString()
const requests = { name: 'requests', type: 'number', unit: '{request}' }
const label = (name: string) => ({ name, type: 'label' })
const time = { name: 'time', type: 'time' }

const overTime: Answer = {
  columns: [time, label('dst_workload'), requests],
  rows: [
    [minute(1), 'cart', 120],
    [minute(0), 'cart', 60],
    [minute(0), 'payment', 600],
    [minute(1), 'payment', null],
  ],
  meta: { watermark: minute(1), partial: [] },
}

const edges: Answer = {
  columns: [label('src_workload'), label('dst_workload'), requests],
  rows: [
    ['frontend', 'cart', 800],
    ['cart', 'frontend', 5],
    ['<img src=x onerror=alert(1)>', '', 3],
  ],
  meta: {},
}

const ends = { from: Date.parse(minute(0)), to: Date.parse(minute(2)) }
const view = { metrics: ['requests'], colours: light, title: 'Requests' }

test('counts over time are shown per second, in order of time; nothing counted is zero, nothing known is a gap', t => {
  const series = seriesOf(overTime, ['requests'], { every: 60 })
  t.deepEqual(
    series.map(({ name, points }) => [name, points.map(({ value }) => value)]),
    [
      ['cart', [1, 2]],
      ['payment', [10, null]],
    ],
  )
})

test('the same traffic is the same rate whatever the length of the points, and a share or a duration is none', t => {
  const pointsOf = (every: number, unit: string, value: number) =>
    seriesOf(
      { columns: [time, { name: 'm', type: 'number', unit }], rows: [[minute(0), value]], meta: { watermark: minute(60), partial: [] } },
      ['m'],
      { every },
    ).map(({ perSecond, points }) => [perSecond, points[0]?.value])
  for (const every of [60, 300, 3600])
    for (const unit of ['By', '{flow}', '{packet}']) t.deepEqual(pointsOf(every, unit, 25 * every), [[true, 25]], `${unit} each ${every} s`)
  for (const unit of ['1', 's']) t.deepEqual(pointsOf(300, unit, 0.25), [[false, 0.25]], unit)
})

const pictures: readonly [name: keyof typeof drawings, answer: Answer, every: number | undefined, contains: readonly RegExp[]][] = [
  ['line', overTime, 60, [/12\/s/, /<path/]],
  ['area', overTime, 60, [/15\/s|12\/s|10\/s/, /fill-opacity="0.55"|opacity/]],
  ['bar', overTime, 60, [/\/s/]],
  ['bar', edges, undefined, [/frontend \/ cart/, />800</]],
  ['heatmap', overTime, 60, [/cart/, /payment/]],
  ['sankey', edges, undefined, [/frontend/, /cart/, /\(no workload\)/]],
]

for (const [name, answer, every, contains] of pictures) {
  test(`${name} of ${answer === edges ? 'groups' : 'time'} is drawn with its names and units`, t => {
    const svg = svgOf(drawings[name](answer, { ...view, every, ...(every ? ends : {}) }))
    for (const part of contains) t.regex(svg, part)
    t.notRegex(svg, />[^<]*(NaN|undefined)[^<]*</)
  })
}

test('a circle between services does not break a sankey', t => {
  t.notThrows(() => svgOf(drawings.sankey(edges, view)))
})

test('names that are HTML stay text in tooltips', t => {
  const option = drawings.bar(edges, view) as { tooltip: { formatter(hit: object): string } }
  const html = option.tooltip.formatter({ name: '<img src=x>', color: 'red', value: 3 })
  t.notRegex(html, /<img/)
  t.regex(html, /&lt;img/)
})

test('what may still change is shaded from the watermark on', t => {
  const option = drawings.line(overTime, { ...view, every: 60, ...ends }) as { series: { markArea?: { data: { xAxis: number }[][] } }[] }
  t.deepEqual(
    option.series[0]?.markArea?.data[0]?.map(({ xAxis }) => xAxis),
    [Date.parse(minute(1)), ends.to],
  )
})

test('every picture of an answer without rows is empty, not broken', t => {
  for (const draw of Object.values(drawings)) {
    t.notThrows(() => svgOf(draw({ columns: overTime.columns, rows: [], meta: {} }, { ...view, every: 60, ...ends })))
  }
})
