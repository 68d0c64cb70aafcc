import type { ObjectVersion } from '../../schema/object.ts'
import { type LabelSelector, selects } from './label-selector.ts'
import type { Labels } from './pod.ts'
import { readSpiffeId } from './spiffe-id.ts'
import { type Template, type TemplateFacts, readTemplate } from './template.ts'

/** A ClusterSPIFFEID of spire-controller-manager: which pods get which SPIFFE ID. */
export interface ClusterSpiffeId {
  cluster: string
  name: string
  podSelector?: LabelSelector
  namespaceSelector?: LabelSelector
  /** Only for pods that no other gives one. */
  fallback: boolean
  /** Absent where the template uses what is not supported. */
  template?: Template
}

export interface ClusterSpiffeIdSpec {
  spiffeIDTemplate?: string
  podSelector?: LabelSelector
  namespaceSelector?: LabelSelector
  fallback?: boolean
}

/** Throws UnsupportedTemplate. */
export function clusterSpiffeIdOf({ cluster = '', name = '' }: ObjectVersion, spec: ClusterSpiffeIdSpec): ClusterSpiffeId {
  const { podSelector, namespaceSelector, fallback = false, spiffeIDTemplate = '' } = spec
  return { cluster, name, podSelector, namespaceSelector, fallback, template: readTemplate(spiffeIDTemplate) }
}

/** The SPIFFE IDs templates give a pod. */
export function idsOf(all: readonly ClusterSpiffeId[], namespace: Labels, facts: TemplateFacts): string[] {
  const selecting = all.filter(
    ({ podSelector, namespaceSelector }) => selects(podSelector, facts.pod.labels) && selects(namespaceSelector, namespace),
  )
  const first = selecting.filter(({ fallback }) => !fallback)
  return (first.length ? first : selecting).flatMap(({ template }) => {
    const id = template?.(facts)
    return id !== undefined && readSpiffeId(id) ? [id] : []
  })
}
