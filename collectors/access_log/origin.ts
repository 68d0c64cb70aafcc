import { remembered } from '../../runtime/shared.ts'
import type { LineContext } from './line.ts'

export type ReporterKind = '' | 'sidecar' | 'gateway' | 'waypoint' | 'ztunnel'

/** Who wrote lines, and what its lines have told of it. */
export interface Origin {
  source: string
  cluster: string
  /** namespace/name of its pod, or the node of a ztunnel. */
  reporter: string
  namespace: string
  pod: string
  workload: string
  node: string
  /** What its last line that could be told by was; lines without a cluster cannot. */
  kind: ReporterKind
}

const most = 10_000

/** Origins by their context. Lines of one file come one after another with one context. */
export class Origins {
  readonly #known = new Map<string, Origin>()
  #last: Origin = { source: '', cluster: '', reporter: '', namespace: '', pod: '', workload: '', node: '', kind: '' }
  #lastContext: LineContext | undefined
  #lastPod: LineContext['pod']

  of(context: LineContext): Origin {
    if (context === this.#lastContext && context.pod === this.#lastPod) return this.#last
    const { source, cluster, pod } = context
    const key = JSON.stringify([source, cluster, pod?.namespace, pod?.name, pod?.workload, pod?.node])
    this.#lastContext = context
    this.#lastPod = pod
    return (this.#last = remembered(this.#known, key, most, () => newOrigin(context)))
  }
}

function newOrigin({ source, cluster, pod }: LineContext): Origin {
  const { namespace = '', name = '', workload = '', node = '' } = pod ?? {}
  const reporter = name && namespace ? `${namespace}/${name}` : name || node
  // The name is a hint for lines that tell nothing better.
  const kind = /gateway/.test(name) ? 'gateway' : name.startsWith('waypoint-') ? 'waypoint' : ''
  return { source, cluster, reporter, namespace, pod: name, workload, node, kind }
}
