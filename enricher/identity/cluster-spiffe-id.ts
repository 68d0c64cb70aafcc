import type { ObjectVersion } from '../../schema/object.ts'
import type { ControllerManager } from './controller-manager.ts'
import { fits } from './entry.ts'
import { type LabelSelector, selects } from './label-selector.ts'
import { type Labels, selectorsOf } from './pod.ts'
import { readSpiffeId } from './spiffe-id.ts'
import { type Template, type TemplateFacts, UnsupportedTemplate, readTemplate } from './template/template.ts'

/** A ClusterSPIFFEID of spire-controller-manager: which pods get which SPIFFE ID. */
export interface ClusterSpiffeId {
  cluster: string
  name: string
  podSelector?: LabelSelector
  namespaceSelector?: LabelSelector
  /** Only for pods that no other gives one. */
  fallback: boolean
  /** Absent where it is not known what it gives. */
  templates?: { id: Template; selectors: readonly Template[] }
}

export interface ClusterSpiffeIdSpec {
  className?: string
  spiffeIDTemplate?: string
  workloadSelectorTemplates?: readonly string[]
  podSelector?: LabelSelector
  namespaceSelector?: LabelSelector
  fallback?: boolean
}

/** Nothing for one that is of another manager. `notUnderstood` is told why it is not known what it gives. */
export function clusterSpiffeIdOf(
  { cluster = '', name = '' }: ObjectVersion,
  spec: ClusterSpiffeIdSpec,
  manager: ControllerManager,
  notUnderstood: (reason: string) => void,
): ClusterSpiffeId | undefined {
  const { className = '', podSelector, namespaceSelector, fallback = false } = spec
  if (manager.classes && !manager.classes.includes(className)) return undefined
  const rule = { cluster, name, podSelector, namespaceSelector, fallback }
  try {
    if (className && !manager.classes) throw new UnsupportedTemplate(`the class ${className}, which is in no class_names`)
    return { ...rule, templates: templatesOf(spec, manager) }
  } catch (error) {
    if (!(error instanceof UnsupportedTemplate)) throw error
    notUnderstood(error.message)
    return rule
  }
}

function templatesOf({ spiffeIDTemplate = '', workloadSelectorTemplates = [] }: ClusterSpiffeIdSpec, manager: ControllerManager) {
  for (const text of [spiffeIDTemplate, ...workloadSelectorTemplates]) {
    if (text.includes('.ClusterName') && !manager.clusterName) throw new UnsupportedTemplate('.ClusterName, and there is no cluster_name')
    if (text.includes('.ClusterDomain') && !manager.clusterDomain)
      throw new UnsupportedTemplate('.ClusterDomain, and there is no cluster_domain')
  }
  return { id: readTemplate(spiffeIDTemplate), selectors: workloadSelectorTemplates.map(readTemplate) }
}

/** What ClusterSPIFFEIDs give a pod. */
export interface Registered {
  /** `sure` where nothing that is not known to us decides whether the pod has it. */
  ids: { id: string; sure: boolean }[]
  /** There may be others: what gives them is not understood. */
  unsure: boolean
}

/** `trusted` are the trust domains of the cluster, where any is known: an ID of another is not given. */
export function idsOf(all: readonly ClusterSpiffeId[], namespace: Labels, facts: TemplateFacts, trusted: readonly string[]): Registered {
  const selecting = all.filter(
    ({ podSelector, namespaceSelector }) => selects(podSelector, facts.pod.labels) && selects(namespaceSelector, namespace),
  )
  const given = (fallback: boolean) =>
    selecting.filter(rule => rule.fallback === fallback).map(rule => registrationOf(rule, facts, trusted))
  const first = given(false)
  const isAny = first.some(registration => registration && registration !== 'unknown')
  const registrations = isAny || first.includes('unknown') ? first : given(true)
  return {
    ids: registrations.flatMap(each => (each && each !== 'unknown' && each.fit !== 'no' ? { id: each.id, sure: each.fit === 'yes' } : [])),
    unsure: registrations.includes('unknown'),
  }
}

/** The entry that is made for a pod; nothing where it cannot be. */
type Registration = { id: string; fit: ReturnType<typeof fits> } | 'unknown' | undefined

function registrationOf({ templates }: ClusterSpiffeId, facts: TemplateFacts, trusted: readonly string[]): Registration {
  const id = templates?.id(facts)
  const selectors = templates?.selectors.map(template => template(facts))
  if (id === undefined || !selectors || selectors.includes(undefined)) return 'unknown'
  const trustDomain = readSpiffeId(id)?.trustDomain
  if (trustDomain === undefined || (trusted.length && !trusted.includes(trustDomain))) return undefined
  if (!selectors.every(text => /^[^:]+:[^]/.test(text!))) return undefined
  const own = selectorsOf(facts.pod)
  return { id, fit: fits(withType([`k8s:pod-uid:${facts.pod.uid}`, ...(selectors as string[])]), own) }
}

const kubernetes = 'k8s:'

const withType = (all: readonly string[]) => ({
  selectors: all.filter(text => text.startsWith(kubernetes)).map(text => text.slice(kubernetes.length)),
  others: all.filter(text => !text.startsWith(kubernetes)),
})
