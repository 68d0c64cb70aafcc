import type { Fields, RecordOf } from './field.ts'

export const stages = ['agent', 'network', 'collector', 'bus', 'enricher', 'store'] as const

/** What was not seen: lost events, gaps, discarded input. Never a number that was made up: `known` says whether `count` is one. */
export const lossFields = {
  time: { type: 'time', about: 'When the loss was noticed.' },
  received: { type: 'time', about: 'When the collector got word of it.' },
  source: { type: 'label', about: 'Kind of agent it concerns.', rollup: true },
  reporter: { type: 'label', about: 'Node, proxy or exporter it concerns.', rollup: true },
  cluster: { type: 'label', about: 'Cluster of the reporter.', rollup: true },
  stage: { type: 'label', values: stages, about: 'Where on the way it was lost.', rollup: true },
  reason: { type: 'label', about: 'Why.', rollup: true },
  count: { type: 'uint64', about: 'How many records.', unit: '{record}' },
  known: { type: 'bool', about: 'Whether the count is known; a gap of a node that was away has none.' },
  since: { type: 'time', about: 'Beginning of the gap.' },
  until: { type: 'time', about: 'End of the gap.' },
  detail: { type: 'text', about: 'What the source said.' },
} as const satisfies Fields

export type Loss = RecordOf<typeof lossFields>
