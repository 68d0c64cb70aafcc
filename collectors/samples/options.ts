/** What is kept of metrics, and how much of them is remembered. */
export interface SamplesOptions {
  /** Names of metrics that are kept, `*` for any text; all when absent. */
  allow?: readonly string[]
  /** Names of metrics that are left out, also of those that `allow` names. */
  deny?: readonly string[]
  /** Whether metrics of a mesh also make requests, flows and denials. */
  edges?: boolean
  max_series?: number
  max_labels?: number
  max_label_length?: number
  max_series_length?: number
  max_buckets?: number
  /** After so many seconds without a point a series is forgotten. */
  idle_seconds?: number
  /** How many seconds of its own samples are read back from the bus at the start. */
  recall_seconds?: number
}

export const samplesDefaults = {
  allow: ['*'],
  deny: [],
  edges: true,
  max_series: 200_000,
  max_labels: 64,
  max_label_length: 1024,
  max_series_length: 8192,
  max_buckets: 1024,
  idle_seconds: 1800,
  recall_seconds: 3600,
} as const satisfies Required<SamplesOptions>

const names = (description: string, usual: readonly string[]) => ({ type: 'array', items: { type: 'string' }, default: usual, description })
const count = (minimum: number, usual: number, description: string) => ({ type: 'integer', minimum, default: usual, description })

/** JSON Schema of the options, for the properties of a source of metrics. */
export const samplesProperties = {
  allow: names('Names of metrics that are kept; * stands for any text.', samplesDefaults.allow),
  deny: names('Names of metrics that are left out, also of those that are allowed.', samplesDefaults.deny),
  edges: {
    type: 'boolean',
    default: samplesDefaults.edges,
    description: 'Whether metrics of a mesh also make requests, flows and denials, which count where no log tells of the same.',
  },
  max_series: count(1, samplesDefaults.max_series, 'Series that are remembered; points of more are discarded.'),
  max_labels: count(1, samplesDefaults.max_labels, 'Labels of a series; points with more are discarded.'),
  max_label_length: count(
    16,
    samplesDefaults.max_label_length,
    'Characters of a name or value of a label; points with longer ones are discarded.',
  ),
  max_series_length: count(64, samplesDefaults.max_series_length, 'Characters of all labels of a series; points with more are discarded.'),
  max_buckets: count(1, samplesDefaults.max_buckets, 'Buckets of a histogram; points with more are discarded.'),
  idle_seconds: count(60, samplesDefaults.idle_seconds, 'A series without a point for so long is forgotten.'),
  recall_seconds: count(0, samplesDefaults.recall_seconds, 'Seconds of own samples that are read back from the bus at the start.'),
} as const

/** Whether a metric of this name is kept. */
export function isWantedBy({ allow = samplesDefaults.allow, deny = samplesDefaults.deny }: SamplesOptions): (metric: string) => boolean {
  const [allowed, denied] = [allow, deny].map(patterns => new RegExp(`^(?:${patterns.map(patternOf).join('|') || '(?!)'})$`, 's'))
  return metric => allowed.test(metric) && !denied.test(metric)
}

const patternOf = (name: string) =>
  name
    .split('*')
    .map(part => RegExp.escape(part))
    .join('.*')
