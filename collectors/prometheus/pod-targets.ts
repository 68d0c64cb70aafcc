import type { V1Pod } from '@kubernetes/client-node'
import type { TargetSpec } from './scrape-target.ts'

/** Which targets pods are looked through for. */
export interface PodRules {
  /** prometheus.io/scrape, port, path and scheme. */
  annotations: boolean
  /** Sidecars, gateways, waypoints and ztunnels. */
  istio: boolean
  linkerd: boolean
  intervalMs: number
}

const istioPort = 15020
const linkerdPort = 4191

/** Where a pod's metrics are; nothing of pods that do not run. */
export function targetsOfPod(pod: V1Pod, rules: PodRules): TargetSpec[] {
  const { metadata, spec, status } = pod
  const address = status?.podIP
  if (!address || status.phase !== 'Running' || metadata?.deletionTimestamp) return []
  const host = address.includes(':') ? `[${address}]` : address
  // Sidecars may be init containers that go on.
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map(({ name }) => name)
  const found: [job: string, scheme: string, port: string, path: string][] = []
  if (rules.istio && (containers.includes('istio-proxy') || isZtunnel(pod)))
    found.push([isZtunnel(pod) ? 'ztunnel' : 'istio-proxy', 'http', String(istioPort), '/stats/prometheus'])
  if (rules.linkerd && containers.includes('linkerd-proxy')) found.push(['linkerd-proxy', 'http', String(linkerdPort), '/metrics'])
  if (rules.annotations) found.push(...annotated(pod))
  const specs = found.flatMap(([job, scheme, port, path]) => {
    const url = `${scheme}://${host}:${port}${path.startsWith('/') ? '' : '/'}${path}`
    if (!URL.canParse(url)) return []
    const labels = Object.entries({ instance: `${host}:${port}`, job, namespace: metadata?.namespace ?? '', pod: metadata?.name ?? '' })
    return [{ url: new URL(url).href, labels, intervalMs: rules.intervalMs }]
  })
  // Istio annotates its own port.
  return specs.filter(({ url }, i) => specs.findIndex(other => other.url === url) === i)
}

const isZtunnel = ({ metadata }: V1Pod) => metadata?.labels?.app === 'ztunnel' || metadata?.labels?.['app.kubernetes.io/name'] === 'ztunnel'

/** Without a port, the first that a container has. */
function annotated({ metadata, spec }: V1Pod): [string, string, string, string][] {
  const { 'prometheus.io/scrape': scrape, 'prometheus.io/scheme': scheme, ...rest } = metadata?.annotations ?? {}
  if (scrape !== 'true') return []
  const declared = spec?.containers.flatMap(({ ports = [] }) => ports).at(0)?.containerPort
  const port = String(rest['prometheus.io/port'] ?? declared ?? '')
  const job = metadata?.labels?.['app.kubernetes.io/name'] ?? metadata?.labels?.app ?? 'pods'
  // Whoever may annotate a pod must not say to which host we go.
  if (!/^\d{1,5}$/.test(port)) return []
  return [[job, scheme === 'https' ? 'https' : 'http', port, rest['prometheus.io/path'] ?? '/metrics']]
}
