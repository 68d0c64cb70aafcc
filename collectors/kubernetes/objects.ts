import type { History, Moment, Sighting } from './history.ts'
import type { ApiObject } from './object.ts'
import { type PodObject, type PodSight, describePod, timeOf } from './pod.ts'
import { Pods } from './pods.ts'
import type { Resource } from './resource.ts'
import { backendsOf } from './service.ts'
import { topOwner } from './workload.ts'

/** Takes in the objects of one resource. */
export interface Taker {
  listing(moment: Moment): { add(object: ApiObject): void; end(): void }
  changed(object: ApiObject, moment: Moment): void
  deleted(object: ApiObject, moment: Moment): void
}

/** How far ahead the clock of a kubelet may be, in milliseconds. */
const kubeletsApart = 5000

/** Milliseconds of the API server's clock in microseconds of ours. */
type ToOurs = (ms: number) => number

/** What objects say, each by itself and all together, becomes history. */
export class Objects {
  readonly #history: History
  readonly #toOurs: ToOurs
  readonly #pods = new Pods()
  #listsOfPods = 0

  constructor(history: History, toOurs: ToOurs) {
    this.#history = history
    this.#toOurs = toOurs
  }

  taker(resource: Resource): Taker {
    const own = resource.name === 'pods' ? this.#podTaker() : this.#plainTaker(resource)
    const side = this.#sideTaker(resource)
    return side ? both(side, own) : own
  }

  /** Tells of the pods of which other objects say something else now. Not while pods are listed: then none is known for sure. */
  settle(moment: Moment): void {
    if (this.#listsOfPods) return
    for (const pod of this.#pods.touched())
      if (this.#history.standing('pods', pod.uid)) this.#history.seen('pods', this.#sightingOf(pod), moment)
  }

  #podTaker(): Taker {
    const history = this.#history
    const see = (object: PodObject) => {
      const pod = describePod(object)
      this.#pods.set(pod)
      return this.#sightingOf(this.#pods.get(pod.uid) ?? pod)
    }
    return {
      listing: moment => {
        // One that was given up has no end.
        this.#listsOfPods = 1
        const listing = history.listing('pods', moment)
        const uids = new Set<string>()
        return {
          add: object => {
            uids.add(object.metadata?.uid ?? '')
            listing.add(see(object))
          },
          end: () => {
            this.#pods.retain(uids)
            listing.end()
            this.#listsOfPods = 0
          },
        }
      },
      changed: (object, moment) => history.seen('pods', see(object), moment),
      deleted: (object, moment) => {
        const { uid, finished } = describePod(object)
        history.gone('pods', uid, moment, finished && this.#toOurs(finished))
        this.#pods.delete(uid)
      },
    }
  }

  #sightingOf(pod: PodSight): Sighting {
    const { uid, created, started, over, finished } = pod
    return {
      uid,
      facts: this.#pods.factsOf(pod, this.#history.standing('pods', uid)),
      began: this.#toOurs(Math.max(created, started - kubeletsApart)),
      coming: !pod.facts.addresses?.length,
      over,
      surelyUntil: finished && this.#toOurs(finished),
    }
  }

  /** What says of itself all there is to say. */
  #plainTaker({ name, facts: factsOf }: Resource): Taker {
    const history = this.#history
    const see = (object: ApiObject) => {
      const facts = factsOf?.(object)
      const { uid = '', creationTimestamp } = object.metadata ?? {}
      return facts && { uid, facts, began: this.#toOurs(timeOf(creationTimestamp)) }
    }
    return {
      listing: moment => {
        const listing = history.listing(name, moment)
        const add = (object: ApiObject) => {
          const sighting = see(object)
          if (sighting) listing.add(sighting)
        }
        return { add, end: listing.end }
      },
      changed: (object, moment) => {
        const sighting = see(object)
        if (sighting) history.seen(name, sighting, moment)
        else history.gone(name, object.metadata?.uid ?? '', moment)
      },
      deleted: (object, moment) => history.gone(name, object.metadata?.uid ?? '', moment),
    }
  }

  /** What says something of pods. */
  #sideTaker({ name, kind, facts }: Resource): Taker | undefined {
    const pods = this.#pods
    const uidOf = ({ metadata }: ApiObject) => metadata?.uid ?? ''
    if (name === 'endpointslices.discovery.k8s.io') {
      const set = (object: ApiObject) => pods.services.set(backendsOf(object))
      return sideTaker({ set, delete: object => pods.services.delete(uidOf(object)), retain: uids => pods.services.retain(uids) })
    }
    if (kind === 'ReplicaSet' || kind === 'Job')
      return sideTaker({
        set: object => pods.setOwner(kind, uidOf(object), topOwner(kind, object)),
        delete: object => pods.deleteOwner(kind, uidOf(object)),
        retain: uids => pods.retainOwners(kind, uids),
      })
    if (kind !== 'Node') return undefined
    const set = (object: ApiObject) => {
      const { name = '', zone = '', addresses = [] } = facts?.(object) ?? {}
      pods.setNode(name, { zone, addresses })
    }
    return sideTaker({ set, delete: ({ metadata }) => pods.deleteNode(metadata?.name ?? ''), retain: () => {} })
  }
}

interface Side {
  set(object: ApiObject): void
  delete(object: ApiObject): void
  /** A list had these and no others. */
  retain(uids: ReadonlySet<string>): void
}

function sideTaker(side: Side): Taker {
  return {
    listing: () => {
      const uids = new Set<string>()
      const add = (object: ApiObject) => {
        uids.add(object.metadata?.uid ?? '')
        side.set(object)
      }
      return { add, end: () => side.retain(uids) }
    },
    changed: object => side.set(object),
    deleted: object => side.delete(object),
  }
}

const both = (first: Taker, second: Taker): Taker => ({
  listing: moment => {
    const [one, other] = [first.listing(moment), second.listing(moment)]
    return {
      add: object => {
        one.add(object)
        other.add(object)
      },
      end: () => {
        one.end()
        other.end()
      },
    }
  },
  changed: (object, moment) => {
    first.changed(object, moment)
    second.changed(object, moment)
  },
  deleted: (object, moment) => {
    first.deleted(object, moment)
    second.deleted(object, moment)
  },
})
