import type { Answer } from '../question.ts'
import { tooltipRow } from './html.ts'
import { partsOf, wordsOf } from './series.ts'
import { format } from './units.ts'
import { type Draw, frame, tooltip } from './view.ts'

/** A band per group, through its dimensions from left to right, as wide as the first metric. */
export const sankey: Draw = (answer, view) => {
  const { metrics } = partsOf(answer, view.metrics)
  const unit = answer.columns[metrics[0] ?? 0]?.unit ?? ''
  const { nodes, links } = bandsOf(answer, view.metrics)
  return {
    ...frame(view),
    tooltip: {
      ...tooltip(view),
      trigger: 'item',
      formatter: ({ name, value, color }: { name: string; value: number; color: string }) =>
        tooltipRow(String(color), labelOf(name), format(value, unit)),
    },
    series: [
      {
        type: 'sankey',
        data: nodes.map((name, at) => ({
          name,
          itemStyle: { color: view.colours.series[at % view.colours.series.length], borderWidth: 0 },
        })),
        links,
        left: 8,
        right: '26%',
        top: 12,
        bottom: 12,
        nodeWidth: 12,
        nodeGap: 10,
        label: { color: view.colours.text, width: 104, overflow: 'truncate', formatter: ({ name }: { name: string }) => labelOf(name) },
        lineStyle: { color: 'source', opacity: 0.3, curveness: 0.5 },
        emphasis: { focus: 'adjacency' },
      },
    ],
  }
}

interface Link {
  source: string
  target: string
  value: number
}

/** A value is a node of its dimension, so that a workload may be both client and server without making a circle. */
function bandsOf(answer: Answer, metricNames: readonly string[]): { nodes: string[]; links: Link[] } {
  const { groups, metrics } = partsOf(answer, metricNames)
  const links = new Map<string, Link>()
  const nodes = new Set<string>()
  for (const row of answer.rows) {
    const names = groups.map((at, depth) => `${depth}\u0000${wordsOf(row[at]!, answer.columns[at]!.name)}`)
    for (const name of names) nodes.add(name)
    for (const [at, source] of names.slice(0, -1).entries()) {
      const target = names[at + 1]!
      const link = links.get(source + target) ?? { source, target, value: 0 }
      links.set(source + target, { ...link, value: link.value + Number(row[metrics[0] ?? 0] ?? 0) })
    }
  }
  return { nodes: [...nodes], links: [...links.values()] }
}

const labelOf = (name: string) =>
  name
    .split(' > ')
    .map(part => part.slice(part.indexOf('\u0000') + 1))
    .join(' → ')
