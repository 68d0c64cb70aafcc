import type { ObjectVersion } from '../../schema/object.ts'
import { ServicesOfPods } from './backends.ts'
import type { Facts } from './facts.ts'
import type { PodSight } from './pod.ts'
import { Shared } from '../../runtime/shared.ts'
import { type Owner, ownOwner, probableOwner } from './workload.ts'

interface NodeSight {
  zone: string
  addresses: readonly string[]
}

/** What stands between a pod and its top owner. */
type Between = 'ReplicaSet' | 'Job'
const isBetween = (kind: string): kind is Between => kind === 'ReplicaSet' || kind === 'Job'

/** Pods as they are now, with what other objects say of them: whose they are, which services lead to them, in which zone they are. */
export class Pods {
  readonly #pods = new Map<string, PodSight>()
  /** The owners of what ReplicaSets and Jobs make, by theirs. */
  readonly #owners = { ReplicaSet: new Map<string, Owner>(), Job: new Map<string, Owner>() }
  readonly #nodes = new Map<string, NodeSight>()
  readonly #shared = new Shared()
  /** Pods by the owner that is not known yet. */
  readonly #waiting = new Map<string, Set<string>>()
  /** Of these something else says something else now. */
  #touched = new Set<string>()
  readonly services = new ServicesOfPods(pod => this.#touched.add(pod))

  get(uid: string): PodSight | undefined {
    return this.#pods.get(uid)
  }

  set(pod: PodSight): void {
    this.#pods.set(pod.uid, { ...pod, facts: this.#compact(pod.facts) })
  }

  delete(uid: string): void {
    const owner = this.#pods.get(uid)?.owner?.uid ?? ''
    this.#pods.delete(uid)
    this.#touched.delete(uid)
    const waiting = this.#waiting.get(owner)
    waiting?.delete(uid)
    if (waiting && !waiting.size) this.#waiting.delete(owner)
  }

  retain(uids: ReadonlySet<string>): void {
    for (const uid of this.#pods.keys()) if (!uids.has(uid)) this.delete(uid)
  }

  setOwner(kind: Between, uid: string, owner: Owner): void {
    this.#owners[kind].set(uid, { name: this.#shared.text(owner.name), kind: this.#shared.text(owner.kind) })
    for (const pod of this.#waiting.get(uid) ?? []) this.#touched.add(pod)
    this.#waiting.delete(uid)
  }

  deleteOwner(kind: Between, uid: string): void {
    this.#owners[kind].delete(uid)
  }

  /** Forgets those that are not among these. */
  retainOwners(kind: Between, uids: ReadonlySet<string>): void {
    for (const uid of this.#owners[kind].keys()) if (!uids.has(uid)) this.#owners[kind].delete(uid)
  }

  setNode(name: string, node: NodeSight): void {
    const before = this.#nodes.get(name)
    this.#nodes.set(name, node)
    if (before?.zone === node.zone && String(before.addresses) === String(node.addresses)) return
    for (const { uid, facts } of this.#pods.values()) if (facts.node === name) this.#touched.add(uid)
  }

  deleteNode(name: string): void {
    this.#nodes.delete(name)
  }

  /** The pods of which something else says something else since this was asked last. */
  touched(): PodSight[] {
    const touched = [...this.#touched].flatMap(uid => this.#pods.get(uid) ?? [])
    this.#touched = new Set()
    return touched
  }

  /** All that is known of a pod. What nobody says any more, as its owner is gone before it, stays as it was `told`. */
  factsOf({ uid, facts, owner }: PodSight, told: ObjectVersion | undefined): Facts {
    const node = this.#nodes.get(facts.node ?? '')
    const { name, kind } = this.#ownerOf({ uid, facts, owner }, told)
    const addresses = facts.host_network ? [...new Set([...(facts.addresses ?? []), ...(node?.addresses ?? [])])] : facts.addresses
    return {
      ...facts,
      addresses,
      zone: node?.zone ?? told?.zone ?? '',
      workload: name,
      workload_kind: kind,
      services: this.#shared.list(this.services.of(uid)),
    }
  }

  #ownerOf({ uid, facts, owner }: Pick<PodSight, 'uid' | 'facts' | 'owner'>, told: ObjectVersion | undefined): Owner {
    if (!owner || owner.kind === 'Node') return ownOwner(facts.name ?? '', owner)
    if (!isBetween(owner.kind)) return owner
    const known = this.#owners[owner.kind].get(owner.uid)
    if (known) return known
    const waiting = this.#waiting.get(owner.uid)
    if (waiting) waiting.add(uid)
    else this.#waiting.set(owner.uid, new Set([uid]))
    if (told?.workload) return { name: told.workload, kind: told.workload_kind ?? '' }
    return probableOwner(owner, facts.labels ?? [])
  }

  #compact(facts: Facts): Facts {
    const { namespace = '', node = '', service_account = '', labels = [], ports = [] } = facts
    return {
      ...facts,
      namespace: this.#shared.text(namespace),
      node: this.#shared.text(node),
      service_account: this.#shared.text(service_account),
      labels: this.#shared.list(labels),
      ports: this.#shared.list(ports),
    }
  }
}
