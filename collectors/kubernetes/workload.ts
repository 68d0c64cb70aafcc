import type { Facts } from './facts.ts'
import { labelsOf } from './labels.ts'
import type { ApiObject, OwnerReference } from './object.ts'

interface Template {
  metadata?: { labels?: Readonly<Record<string, string>> }
  spec?: { serviceAccountName?: string; containers?: readonly { name: string; image?: string }[] }
}

/** The parts that matter of what makes pods (apps/v1, batch/v1). How many it makes does not. */
interface WorkloadObject extends ApiObject {
  spec?: {
    selector?: unknown
    schedule?: string
    template?: Template
    jobTemplate?: { spec?: { template?: Template } }
  }
}

/** Of a workload that another one controls there is nothing to tell: that one is told. */
export function workloadFacts(kind: string, { metadata = {}, spec = {} }: WorkloadObject): Facts | undefined {
  if (controllerOf(metadata.ownerReferences)) return undefined
  const template = spec.template ?? spec.jobTemplate?.spec?.template ?? {}
  const images = template.spec?.containers?.map(({ name, image }) => ({ name, image }))
  return {
    kind: 'workload',
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    workload: metadata.name ?? '',
    workload_kind: kind,
    service_account: template.spec?.serviceAccountName ?? '',
    labels: labelsOf(metadata.labels),
    spec: JSON.stringify({ selector: spec.selector, schedule: spec.schedule, labels: template.metadata?.labels, images }),
  }
}

export const controllerOf = (owners: readonly OwnerReference[] | undefined) => owners?.find(({ controller }) => controller)

/** What is at the top of the owners of a pod. */
export interface Owner {
  name: string
  kind: string
}

/** The owner of the pods of a ReplicaSet or a Job: what controls it, or itself. */
export function topOwner(kind: string, { metadata = {} }: ApiObject): Owner {
  const controller = controllerOf(metadata.ownerReferences)
  return controller ? { name: controller.name, kind: controller.kind } : { name: metadata.name ?? '', kind }
}

/** What a pod of an owner that is not known yet most probably belongs to: Deployments call their ReplicaSets by the hash they label pods with. */
export function probableOwner({ kind, name }: OwnerReference, labels: readonly string[]): Owner {
  const hash = labels.find(label => label.startsWith('pod-template-hash='))?.split('=')[1]
  if (kind === 'ReplicaSet' && hash && name.endsWith(`-${hash}`)) return { name: name.slice(0, -hash.length - 1), kind: 'Deployment' }
  return { name, kind }
}

/** A pod that nothing controls is its own workload; a static one, which its node does, has the name it has on every node. */
export function ownOwner(pod: string, owner: OwnerReference | undefined): Owner {
  const suffix = owner?.kind === 'Node' ? `-${owner.name}` : ''
  return { name: suffix && pod.endsWith(suffix) ? pod.slice(0, -suffix.length) : pod, kind: 'Pod' }
}
