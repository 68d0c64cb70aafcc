import { addAbortListener } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CoreV1Api, KubeConfig, V1Pod, Watch } from '@kubernetes/client-node'
import { ConfigError } from '../../runtime/error.ts'
import { type PodRules, targetsOfPod } from './pod-targets.ts'
import type { ScrapeReport } from './scrape-report.ts'
import type { TargetSpec } from './scrape-target.ts'
import type { Scraper } from './scraper.ts'

/** Which pods are scraped. */
export interface PodsOptions {
  /** A file; without it where kubectl looks, or the service account of the pod. */
  kubeconfig?: string
  context?: string
  namespace?: string
  label_selector?: string
  /** Only pods of this node. */
  node?: string
  annotations?: boolean
  istio?: boolean
  linkerd?: boolean
}

export const podsSchema = {
  type: 'object',
  additionalProperties: false,
  description: 'Pods that are found at the Kubernetes API, which must let us list and watch pods.',
  properties: {
    kubeconfig: {
      type: 'string',
      description: 'File that says where the API is; by default where kubectl looks, or the service account of the pod.',
    },
    context: { type: 'string', description: 'Context of that file; its current one by default.' },
    namespace: { type: 'string', description: 'Only pods of this namespace.' },
    label_selector: { type: 'string', description: 'Only pods with these labels, such as app=ztunnel.' },
    node: { type: 'string', description: 'Only pods of this node, for a collector on each node.' },
    annotations: { type: 'boolean', default: true, description: 'Pods annotated with prometheus.io/scrape, port, path and scheme.' },
    istio: { type: 'boolean', default: true, description: 'Proxies of Istio and ztunnels, port 15020.' },
    linkerd: { type: 'boolean', default: true, description: 'Proxies of Linkerd, port 4191.' },
  },
}

interface FollowOptions {
  scraper: Scraper
  report: ScrapeReport
  signal: AbortSignal
  intervalMs: number
}

type Client = typeof import('@kubernetes/client-node')

const way = 'Kubernetes'
const podsAtOnce = 500
/** Pods that come and go together change the targets once. */
const settleMs = 500
const [firstRetryMs, longestRetryMs] = [1000, 30_000]

/** Scrapes the targets of pods, as they come and go, until the signal is aborted. Throws ConfigError for a kubeconfig that cannot be used. */
export async function followPods(options: PodsOptions, { scraper, report, signal, intervalMs }: FollowOptions): Promise<void> {
  const { annotations = true, istio = true, linkerd = true } = options
  const pods = new KnownPods({ annotations, istio, linkerd, intervalMs }, scraper)
  // Loaded where it is used: its models take half a second and tens of megabytes.
  const client = await import('@kubernetes/client-node')
  const api = new PodsApi(options, client, kubeConfigOf(options, new client.KubeConfig()))
  let retryMs = firstRetryMs
  while (!signal.aborted)
    try {
      let version = await api.list(pods)
      report.finding(way, undefined)
      retryMs = firstRetryMs
      while (!signal.aborted && version) {
        const begun = Date.now()
        version = await api.watch(version, pods, signal)
        // A server that ends watches at once is not asked without pause.
        if (Date.now() - begun < firstRetryMs) await sleep(firstRetryMs, undefined, { signal }).catch(() => {})
      }
    } catch (error) {
      if (signal.aborted) break
      report.finding(way, error)
      await sleep(retryMs, undefined, { signal }).catch(() => {})
      retryMs = Math.min(longestRetryMs, 2 * retryMs)
    }
  pods.close()
}

function kubeConfigOf({ kubeconfig, context }: PodsOptions, config: KubeConfig): KubeConfig {
  try {
    if (kubeconfig) config.loadFromFile(kubeconfig)
    else config.loadFromDefault()
    if (context) config.setCurrentContext(context)
  } catch (error) {
    throw new ConfigError(`collect.prometheus.kubernetes.kubeconfig: cannot be used, expected a kubeconfig`, { cause: error })
  }
  if (!config.getCurrentCluster()) throw new ConfigError('collect.prometheus.kubernetes.context: expected a context of the kubeconfig')
  return config
}

/** Targets by the pod they are of. */
class KnownPods {
  readonly #rules: PodRules
  readonly #scraper: Scraper
  #targets = new Map<string, TargetSpec[]>()
  #timer: NodeJS.Timeout | undefined

  constructor(rules: PodRules, scraper: Scraper) {
    this.#rules = rules
    this.#scraper = scraper
  }

  /** All that there are. */
  replace(pods: readonly V1Pod[]): void {
    this.#targets = new Map()
    for (const pod of pods) this.set(pod)
    this.#settle()
  }

  set(pod: V1Pod): void {
    const specs = targetsOfPod(pod, this.#rules)
    if (specs.length) this.#targets.set(keyOf(pod), specs)
    else this.#targets.delete(keyOf(pod))
    this.#settle()
  }

  delete(pod: V1Pod): void {
    this.#targets.delete(keyOf(pod))
    this.#settle()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #settle(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#scraper.set(way, [...this.#targets.values()].flat())
    }, settleMs)
  }
}

const keyOf = ({ metadata }: V1Pod) => `${metadata?.namespace}/${metadata?.name}`

class PodsApi {
  readonly #namespace: string | undefined
  readonly #selectors: { labelSelector?: string; fieldSelector?: string }
  readonly #core: CoreV1Api
  readonly #watch: Watch

  constructor({ namespace, label_selector, node }: PodsOptions, client: Client, config: KubeConfig) {
    this.#namespace = namespace
    this.#selectors = {
      ...(label_selector && { labelSelector: label_selector }),
      ...(node && { fieldSelector: `spec.nodeName=${node}` }),
    }
    this.#core = config.makeApiClient(client.CoreV1Api)
    this.#watch = new client.Watch(config)
  }

  /** Takes all pods there are, and says which version of the list that was. */
  async list(pods: KnownPods): Promise<string> {
    const all: V1Pod[] = []
    for (let _continue: string | undefined; ;) {
      const page = { ...this.#selectors, limit: podsAtOnce, ...(_continue && { _continue }) }
      const namespace = this.#namespace
      const list = namespace ? await this.#core.listNamespacedPod({ namespace, ...page }) : await this.#core.listPodForAllNamespaces(page)
      all.push(...list.items)
      _continue = list.metadata?._continue
      if (_continue) continue
      pods.replace(all)
      return list.metadata?.resourceVersion ?? ''
    }
  }

  /** Takes what changes until the watch ends; resolves to the version to go on from, or '' when all must be listed again. */
  async watch(from: string, pods: KnownPods, signal: AbortSignal): Promise<string> {
    const path = this.#namespace ? `/api/v1/namespaces/${encodeURIComponent(this.#namespace)}/pods` : '/api/v1/pods'
    const query = { ...this.#selectors, resourceVersion: from, allowWatchBookmarks: true }
    const ended = Promise.withResolvers<void>()
    const end = (error: unknown) => (isFailure(error) ? ended.reject(error) : ended.resolve())
    let version = from
    const take = (phase: string, pod: V1Pod) => {
      if (phase === 'ERROR') version = ''
      else version = pod.metadata?.resourceVersion ?? version
      if (phase === 'ADDED' || phase === 'MODIFIED') pods.set(pod)
      else if (phase === 'DELETED') pods.delete(pod)
    }
    const watching = await this.#watch.watch(path, query, take, end)
    using _ = addAbortListener(signal, () => watching.abort())
    try {
      await ended.promise
    } catch (error) {
      if ((error as { statusCode?: number }).statusCode !== 410) throw error
      version = ''
    }
    return version
  }
}

/** A watch on which nothing happened for long is begun anew, as is one the server ended. */
const isFailure = (error: unknown) => Boolean(error) && (error as Error).name !== 'TimeoutError' && (error as Error).name !== 'AbortError'
