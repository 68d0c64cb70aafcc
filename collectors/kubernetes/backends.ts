import type { Backends } from './service.ts'

/** Which services lead to a pod, out of all endpoint slices. */
export class ServicesOfPods {
  readonly #slices = new Map<string, Backends>()
  /** Names of services by pod, sorted; one twice that has the pod in two slices. */
  readonly #services = new Map<string, string[]>()
  readonly #changed: (pod: string) => void

  /** `changed` is told of every pod whose services are others. */
  constructor(changed: (pod: string) => void) {
    this.#changed = changed
  }

  of(pod: string): string[] {
    const services = this.#services.get(pod) ?? []
    return services.filter((service, at) => service !== services[at - 1])
  }

  set(slice: Backends): void {
    const before = this.#slices.get(slice.uid)
    this.#slices.set(slice.uid, slice)
    const kept = new Set(before?.service === slice.service ? before.pods : [])
    for (const pod of slice.pods) if (!kept.delete(pod)) this.#add(pod, slice.service)
    if (!before) return
    for (const pod of before.service === slice.service ? kept : before.pods) this.#remove(pod, before.service)
  }

  delete(uid: string): void {
    const slice = this.#slices.get(uid)
    if (!slice) return
    this.#slices.delete(uid)
    for (const pod of slice.pods) this.#remove(pod, slice.service)
  }

  /** Forgets the slices that are not among these. */
  retain(uids: ReadonlySet<string>): void {
    for (const uid of this.#slices.keys()) if (!uids.has(uid)) this.delete(uid)
  }

  #add(pod: string, service: string): void {
    this.#services.set(pod, [...(this.#services.get(pod) ?? []), service].sort())
    this.#changed(pod)
  }

  #remove(pod: string, service: string): void {
    const services = this.#services.get(pod) ?? []
    const left = services.toSpliced(services.indexOf(service), services.includes(service) ? 1 : 0)
    if (left.length) this.#services.set(pod, left)
    else this.#services.delete(pod)
    this.#changed(pod)
  }
}
