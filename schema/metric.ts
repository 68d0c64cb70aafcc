import type { KindName } from './record.ts'
import { type RankingName, rankings } from './ranking.ts'

/** How a metric comes out of measures of the views that count. */
export type Calculation =
  | { sum: string; ranking: RankingName }
  /** Without a ranking: every view. */
  | { all: string }
  | { ratio: readonly [string, string]; ranking: RankingName }
  /** `index` of the quantile in the measure's state. */
  | { quantile: 1 | 2 | 3; of: string; ranking?: RankingName; divideBy: number }
  /** A quantile of the merged buckets of a measure: their upper bounds, what is in each, and how often each came. */
  | { bucketQuantile: number; of: string }
  /** One metric less another, never below zero. */
  | { difference: readonly [string, string] }

export interface Metric {
  name: string
  title: string
  /** Kinds of record it is about; the first is meant when the query names none. */
  kinds: readonly KindName[]
  about: string
  /** UCUM; '' where it is that of what was measured. */
  unit: string
  /** Which of the golden signals it belongs to. */
  signal?: 'traffic' | 'errors' | 'latency'
  /** Whether the value is estimated, with which error. */
  approximate?: string
  calculation: Calculation
  /** A dimension whose values are not to be mixed: a question names one of them, or asks by it. */
  within?: string
}

const counted = (
  name: string,
  title: string,
  of: { measure?: string; ranking: RankingName; unit: string; signal: 'traffic' | 'errors'; about: string },
): Metric => ({
  name,
  title,
  kinds: [rankings[of.ranking].kind],
  about: `${of.about} ${rankings[of.ranking].about}`,
  unit: of.unit,
  signal: of.signal,
  calculation: { sum: of.measure ?? name, ranking: of.ranking },
})

const latency = (percent: number, index: 1 | 2 | 3): Metric => ({
  name: `latency_p${percent}`,
  title: `Latency, ${percent}th percentile`,
  kinds: ['request'],
  about: `The latency that ${percent} % of the responses did not exceed; from merged distributions, never from averages. ${rankings.requests.about}`,
  unit: 's',
  signal: 'latency',
  approximate: 'relative error 1 %',
  calculation: { quantile: index, of: 'latency', ranking: 'requests', divideBy: 1e9 },
})

const histogramQuantile = (percent: number): Metric => ({
  name: `histogram_p${percent}`,
  title: `Histogram, ${percent}th percentile`,
  kinds: ['sample'],
  about:
    `The value that ${percent} % of the observations of a histogram did not exceed: of the buckets of all its series merged by their bounds, ` +
    'linear within a bucket. In the unit of the histogram.',
  unit: '',
  approximate: 'by the width of a bucket',
  calculation: { bucketQuantile: percent / 100, of: 'buckets' },
  within: 'metric',
})

const spanDuration = (percent: number, index: 1 | 2 | 3): Metric => ({
  name: `span_p${percent}`,
  title: `Duration of spans, ${percent}th percentile`,
  kinds: ['span'],
  about: `The duration that ${percent} % of the spans did not exceed; from merged distributions, never from averages. Ask by kind, or of one: spans contain one another.`,
  unit: 's',
  signal: 'latency',
  approximate: 'relative error 1 %',
  calculation: { quantile: index, of: 'duration', divideBy: 1e9 },
})

const list: readonly Metric[] = [
  {
    name: 'records',
    title: 'Records',
    kinds: ['flow', 'request', 'span', 'sample', 'loss', 'object'],
    about: 'Rows as received: every view, unweighted.',
    unit: '{record}',
    calculation: { all: 'records' },
  },
  counted('flows', 'Flows', {
    ranking: 'traffic',
    unit: '{flow}',
    signal: 'traffic',
    about: 'Flow records, each by its weight; with Hubble, packets that monitor aggregation let through.',
  }),
  counted('connections', 'Connections', {
    ranking: 'traffic',
    unit: '{connection}',
    signal: 'traffic',
    about: 'Conversations that began: TCP SYN without ACK, or a first packet of another protocol, by weight.',
  }),
  counted('bytes', 'Bytes', { ranking: 'volume', unit: 'By', signal: 'traffic', about: 'Bytes by weight. Hubble reports none.' }),
  counted('packets', 'Packets', {
    ranking: 'volume',
    unit: '{packet}',
    signal: 'traffic',
    about: 'Packets by weight. Hubble reports none.',
  }),
  counted('sent', 'Sent', {
    measure: 'flows',
    ranking: 'sent',
    unit: '{flow}',
    signal: 'traffic',
    about: 'Flow records by weight as the sending end saw them.',
  }),
  counted('received', 'Received', {
    measure: 'flows',
    ranking: 'received',
    unit: '{flow}',
    signal: 'traffic',
    about: 'Flow records by weight as the receiving end saw them.',
  }),
  {
    name: 'lost',
    title: 'Sent but not received',
    kinds: ['flow'],
    about:
      'sent − received, never below zero, for each group of the answer. Meaningful where agents watch both ends: ask by the ends, ' +
      'or edges seen at one end only hide one another.',
    unit: '{flow}',
    signal: 'errors',
    calculation: { difference: ['sent', 'received'] },
  },
  counted('drops', 'Drops', {
    measure: 'flows',
    ranking: 'drops',
    unit: '{flow}',
    signal: 'errors',
    about: 'Records with verdict dropped, by weight.',
  }),
  counted('denials', 'Denials', {
    measure: 'flows',
    ranking: 'denials',
    unit: '{flow}',
    signal: 'errors',
    about: 'Records that a policy dropped, by weight: policy verdicts, drops with a policy reason, and L7 denials.',
  }),
  counted('requests', 'Requests', {
    ranking: 'requests',
    unit: '{request}',
    signal: 'traffic',
    about: 'Requests by weight; not their responses.',
  }),
  counted('errors', 'Errors', {
    ranking: 'requests',
    unit: '{request}',
    signal: 'errors',
    about: 'Responses by weight that say the server failed.',
  }),
  {
    name: 'error_ratio',
    title: 'Error ratio',
    kinds: ['request'],
    about: `errors ÷ responses; nothing where there was no response. ${rankings.requests.about}`,
    unit: '1',
    signal: 'errors',
    calculation: { ratio: ['errors', 'responses'], ranking: 'requests' },
  },
  latency(50, 1),
  latency(95, 2),
  latency(99, 3),
  {
    name: 'increase',
    title: 'Increase',
    kinds: ['sample'],
    about: 'What counters, and counts of histograms, grew by, as each reporter tells it: where both ends report, ask for one direction.',
    unit: '{count}',
    calculation: { all: 'increase' },
    within: 'metric',
  },
  histogramQuantile(50),
  histogramQuantile(95),
  histogramQuantile(99),
  {
    name: 'spans',
    title: 'Spans',
    kinds: ['span'],
    about: 'Spans by weight, of every kind and at both ends.',
    unit: '{span}',
    signal: 'traffic',
    calculation: { all: 'spans' },
  },
  {
    name: 'span_errors',
    title: 'Spans that failed',
    kinds: ['span'],
    about: 'Spans by weight that say they failed.',
    unit: '{span}',
    signal: 'errors',
    calculation: { all: 'errors' },
  },
  spanDuration(50, 1),
  spanDuration(95, 2),
  spanDuration(99, 3),
]

/** Every metric by its name. */
export const metrics: ReadonlyMap<string, Metric> = new Map(list.map(metric => [metric.name, metric]))
