import type { ObjectVersion } from '../../schema/object.ts'

/** What of a pod decides which identities it may have. */
export interface Pod {
  cluster: string
  namespace: string
  name: string
  uid: string
  node: string
  serviceAccount: string
  labels: Labels
  hostNetwork: boolean
  /** Kind:name of the top owner. */
  owner: string
  /** SPIFFE ID the object itself names. */
  spiffeId: string
}

export type Labels = ReadonlyMap<string, string>

export function podOf(version: ObjectVersion): Pod {
  const { cluster = '', namespace = '', name = '', uid = '', node = '', service_account = '', host_network = false } = version
  return {
    cluster: once(cluster),
    namespace: once(namespace),
    name,
    uid,
    node: once(node),
    serviceAccount: once(service_account || 'default'),
    labels: labelsOf(version),
    hostNetwork: host_network,
    owner: once(`${version.workload_kind ?? ''}:${version.workload ?? ''}`),
    spiffeId: once(version.spiffe_id ?? ''),
  }
}

/** So many texts and sets of labels are kept for others that are the same. */
const mostRemembered = 20_000
const texts = new Map<string, string>()
const labelSets = new Map<string, Labels>()

/** The same text as one that came before: pods by the ten thousand share most of theirs. */
function once(text: string): string {
  const known = texts.get(text)
  if (known !== undefined) return known
  if (texts.size >= mostRemembered) texts.clear()
  texts.set(text, text)
  return text
}

/** Labels of an object, which has them as key=value. Those of the pods of a workload are one. */
export function labelsOf({ labels = [] }: ObjectVersion): Labels {
  const text = labels.join('\0')
  const known = labelSets.get(text)
  if (known) return known
  if (labelSets.size >= mostRemembered) labelSets.clear()
  const read = new Map(labels.map(readLabel))
  labelSets.set(text, read)
  return read
}

function readLabel(label: string): [key: string, value: string] {
  const at = label.indexOf('=')
  return at < 0 ? [label, ''] : [label.slice(0, at), label.slice(at + 1)]
}

/** The selectors SPIRE's attestor for Kubernetes gives the workloads of a pod, as far as the object tells. */
export function selectorsOf(pod: Pod): Set<string> {
  const { namespace, serviceAccount, name, uid, node, labels, owner } = pod
  const own = [`ns:${namespace}`, `sa:${serviceAccount}`, `pod-name:${name}`, `pod-uid:${uid}`, `node-name:${node}`, `pod-owner:${owner}`]
  return new Set([...own, ...[...labels].map(([key, value]) => `pod-label:${key}:${value}`)])
}
