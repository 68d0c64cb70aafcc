import { untilAborted } from '../../runtime/service.ts'
import { openSamples } from '../samples/intake.ts'
import { type SamplesOptions, samplesProperties } from '../samples/options.ts'
import type { Source, SourceContext } from '../source.ts'
import { type PodsOptions, followPods, podsSchema } from './pods.ts'
import { ScrapeReport } from './scrape-report.ts'
import { Scraper } from './scraper.ts'
import type { OpenTaker } from './taker.ts'
import { type TargetOptions, followAddresses, specOf, targetSchema } from './targets.ts'

export interface PrometheusOptions extends SamplesOptions {
  targets?: TargetOptions[]
  kubernetes?: PodsOptions
  cluster?: string
  /** Seconds. */
  interval?: number
  timeout?: number
  max_body_bytes?: number
  max_series_per_target?: number
}

const name = 'prometheus'

/** Metrics that are fetched from where they are, as Prometheus does. */
export const prometheusSource = (openTaker: OpenTaker): Source<PrometheusOptions> => ({
  name,
  about: 'Metrics of Envoy, Istio, ztunnel, Linkerd and whatever else speaks Prometheus, scraped.',
  options: {
    type: 'object',
    additionalProperties: false,
    anyOf: [{ required: ['targets'] }, { required: ['kubernetes'] }],
    expected: 'targets or kubernetes, or both',
    properties: {
      targets: { type: 'array', items: targetSchema, minItems: 1, description: 'What is scraped.' },
      kubernetes: podsSchema,
      cluster: { type: 'string', default: '', description: 'Cluster of the targets.' },
      interval: { type: 'number', exclusiveMinimum: 0, default: 15, description: 'Seconds between two scrapes of a target.' },
      timeout: {
        type: 'number',
        exclusiveMinimum: 0,
        default: 10,
        description: 'Seconds a target has to answer.',
      },
      max_body_bytes: { type: 'integer', minimum: 1024, default: 32 << 20, description: 'Bytes of one answer, after it was decompressed.' },
      max_series_per_target: {
        type: 'integer',
        minimum: 1,
        default: 50_000,
        description: 'Series of one target, each bucket being one; those after them are discarded.',
      },
      ...samplesProperties,
    },
  },
  run: (options, context) => scrape(options, context, openTaker),
})

export const prometheus = prometheusSource(openSamples)

async function scrape(options: PrometheusOptions, context: SourceContext, openTaker: OpenTaker): Promise<void> {
  const { targets = [], kubernetes, cluster = '', interval = 15, timeout = 10 } = options
  const { max_body_bytes: maxBytes = 32 << 20, max_series_per_target: maxSeries = 50_000 } = options
  const { signal } = context
  const specs = targets.map(target => ({ spec: specOf(target, interval * 1000), each: target.each_address }))
  const taker = await openTaker({ ...options, ...context, source: name })
  const report = new ScrapeReport(name, context)
  const scraper = new Scraper({ taker, report, signal, cluster, timeoutMs: timeout * 1000, maxBytes, maxSeries })
  const way = { scraper, report, signal }
  scraper.set(
    'configuration',
    specs.filter(({ each }) => !each).map(({ spec }) => spec),
  )
  await Promise.all([
    ...specs.filter(({ each }) => each).map(({ spec }) => followAddresses(spec, way)),
    ...(kubernetes ? [followPods(kubernetes, { ...way, intervalMs: interval * 1000 })] : []),
    untilAborted(signal),
  ])
  await scraper.finished()
  report.close()
}
