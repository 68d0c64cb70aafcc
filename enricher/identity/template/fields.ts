import type { Labels, Pod } from '../pod.ts'
import { type Value, missing } from './value.ts'
import { unsupported } from './unsupported.ts'

/** What a template of a ClusterSPIFFEID is filled in with; what is absent is not known. */
export interface TemplateFacts {
  trustDomain?: string
  clusterName?: string
  clusterDomain?: string
  pod: Pod
  /** Of the pod's node, where it is known. */
  node?: TemplateNode
}

export interface TemplateNode {
  name: string
  uid: string
  labels: Labels
  providerId?: string
  podCidr?: string
}

type Field = (facts: TemplateFacts) => Value

/** Of the fields templates have (templateData of spire-controller-manager), those weir knows something of. */
const fields: Readonly<Record<string, Field>> = {
  '.TrustDomain': ({ trustDomain }) => trustDomain,
  '.ClusterName': ({ clusterName }) => clusterName,
  '.ClusterDomain': ({ clusterDomain }) => clusterDomain,
  '.PodMeta.Name': ({ pod }) => pod.name,
  '.PodMeta.Namespace': ({ pod }) => pod.namespace,
  '.PodMeta.UID': ({ pod }) => pod.uid,
  '.PodMeta.Labels': ({ pod }) => pod.labels,
  '.PodSpec.ServiceAccountName': ({ pod }) => pod.serviceAccount,
  '.PodSpec.NodeName': ({ pod }) => pod.node,
  '.PodSpec.HostNetwork': ({ pod }) => pod.hostNetwork,
  '.NodeMeta.Name': ({ pod }) => pod.node,
  '.NodeMeta.UID': ({ node }) => node?.uid,
  '.NodeMeta.Labels': ({ node }) => node?.labels,
  '.NodeSpec.ProviderID': ({ node }) => node?.providerId,
  '.NodeSpec.PodCIDR': ({ node }) => node?.podCidr,
}

/** Reads a field by its path. Throws UnsupportedTemplate for one that weir knows nothing of. */
export function fieldAt(written: string): Field {
  const path = written.replace(/^\$/, '')
  if (Object.hasOwn(fields, path)) return fields[path]
  const [, map, key] = /^(\.\w+\.Labels)\.(\w+)$/.exec(path) ?? unsupported(path)
  if (!Object.hasOwn(fields, map)) unsupported(path)
  return facts => {
    const labels = fields[map](facts) as Labels | undefined
    return labels && (labels.get(key) ?? missing)
  }
}
