import { type ObjectVersion, openEnd } from '../../schema/object.ts'
import { type Facts, sameFacts, sameTexts } from './facts.ts'

/** An object as the API shows it. Times are microseconds of our clock. */
export interface Sighting {
  uid: string
  facts: Facts
  /** Since when it is so by its own account, where nobody watched it become so. */
  began: number
  /** It is there and is not yet what it will be: a pod without an address. It is told of once it is. */
  coming?: boolean
  /** It is there and is no more what it was: a pod whose containers have ended for good. */
  over?: boolean
  /** It was what it was at least until then, by its own account: when its last container ended, or was asked to. 0 where it does not say. */
  surelyUntil?: number
}

/**
 * When something was noticed, and until when all was surely as it was known before. What is watched is noticed as it happens: then both
 * are one. After a gap, or by a list, it happened somewhen between.
 */
export interface Moment {
  at: number
  sure: number
  /** What is watched has happened since then at the earliest: word of it takes its time. */
  since: number
}

interface Tracked {
  uid: string
  /** Since when it may have been what it is. */
  heard: number
  /** Its version that has not ended. */
  told?: ObjectVersion
  over: boolean
  surelyUntil: number
  /** Since when somebody else was seen with an address of it: from then on it has it no more. */
  handedOn: number
  /** The last list it was in. */
  listing: number
}

/** Who had an address last, and until when surely; Infinity while it still has. */
interface Holder {
  uid: string
  until: number
}

export interface Listing {
  add(sighting: Sighting): void
  /** All has been added: what was not is gone. */
  end(): void
}

const pods = 'pods'
/** What becomes known of what was so all along: it corrects a version and makes no new one. */
const late = ['workload', 'workload_kind', 'zone'] as const
/** A service that leads to a pod so long after it began has selected it all along, and was only not told yet. */
const arrivingMicros = 30_000_000
/** An address is free again so long after its last holder ended, whatever anybody says. */
const forgetMicros = 3_600_000_000
/** Two pods that have one address for longer than this have it both, in networks of their own. */
const handingOnMicros = 60_000_000

/**
 * Versions of a cluster's objects and the intervals in which they were true, out of what is seen of them. Every version that becomes known,
 * or another, goes to `take`, in an order in which a reader who stops anywhere knows nothing wrong: a version is ended after its successor is there.
 * It knows no clock and no server.
 */
export class History {
  readonly #origin: { source: string; cluster: string }
  readonly #take: (version: ObjectVersion) => void
  readonly #resources = new Map<string, Map<string, Tracked>>()
  readonly #holders = new Map<string, Holder>()
  #listings = 0

  constructor(origin: { source: string; cluster: string }, take: (version: ObjectVersion) => void) {
    this.#origin = origin
    this.#take = take
  }

  /** How many objects are told of as they are now, by resource. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const [resource, objects] of this.#resources) {
      let count = 0
      for (const { told } of objects.values()) if (told) count++
      if (count) counts[resource] = count
    }
    return counts
  }

  /** The version of an object that has not ended. */
  standing(resource: string, uid: string): ObjectVersion | undefined {
    return this.#of(resource).get(uid)?.told
  }

  /** Takes up what was told before, ended or not. Of two versions of one object that both stand, the earlier ends where the later begins. */
  restore(resource: string, versions: Iterable<ObjectVersion>): void {
    const objects = this.#of(resource)
    for (const version of [...versions].sort((a, b) => fromOf(a) - fromOf(b))) {
      const { uid = '', valid_to = openEnd, ended_after } = version
      const stands = valid_to === openEnd
      const before = objects.get(uid)?.told
      if (before) this.#take({ ...before, valid_to: fromOf(version) })
      // A pod that has ended does not begin again, also while its object is still there.
      const tracked = trackedAs(uid, { told: stands ? version : undefined, heard: fromOf(version), over: !stands && resource === pods })
      if (stands || tracked.over) objects.set(uid, tracked)
      else objects.delete(uid)
      this.#hold(version, stands ? Infinity : ended_after || valid_to)
    }
  }

  /** The object is so now. */
  seen(resource: string, sighting: Sighting, moment: Moment): void {
    const tracked = this.#track(resource, sighting, moment)
    if (sighting.surelyUntil) tracked.surelyUntil = sighting.surelyUntil
    if (tracked.over || (sighting.coming && !tracked.told && !sighting.over)) return
    if (sighting.over) this.#finish(tracked, sighting, moment)
    else if (tracked.told) this.#change(tracked, tracked.told, sighting.facts, moment)
    else this.#begin(tracked, sighting, moment)
  }

  /** The object is there no more; `surelyUntil` as of a sighting. */
  gone(resource: string, uid: string, moment: Moment, surelyUntil = 0): void {
    const objects = this.#of(resource)
    const tracked = objects.get(uid)
    if (!tracked) return
    objects.delete(uid)
    if (surelyUntil) tracked.surelyUntil = surelyUntil
    if (tracked.told) this.#end(tracked, tracked.told, moment)
  }

  /** A list of all there are. Nothing of it counts before its end: who had an address must have ended before somebody else gets it. */
  listing(resource: string, moment: Moment): Listing {
    const objects = this.#of(resource)
    const listing = ++this.#listings
    const changed: Sighting[] = []
    return {
      add: sighting => {
        const tracked = objects.get(sighting.uid)
        if (tracked) tracked.listing = listing
        if (!tracked || !isAsKnown(tracked, sighting)) changed.push(sighting)
      },
      end: () => {
        for (const tracked of objects.values()) if (tracked.listing !== listing) this.gone(resource, tracked.uid, moment)
        for (const sighting of changed) if (sighting.over) this.seen(resource, sighting, moment)
        for (const sighting of changed) if (!sighting.over) this.seen(resource, sighting, moment)
        this.#forget(moment.at)
      },
    }
  }

  #of(resource: string): Map<string, Tracked> {
    let objects = this.#resources.get(resource)
    if (!objects) this.#resources.set(resource, (objects = new Map()))
    return objects
  }

  #track(resource: string, { uid, began }: Sighting, moment: Moment): Tracked {
    const objects = this.#of(resource)
    const known = objects.get(uid)
    if (known) return known
    const heard = moment.sure === moment.at ? moment.since : Math.min(began, moment.at)
    const tracked = trackedAs(uid, { heard })
    tracked.listing = this.#listings
    objects.set(uid, tracked)
    return tracked
  }

  #begin(tracked: Tracked, { facts, began, uid }: Sighting, { at }: Moment): void {
    const valid_from = this.#freeFrom(facts, uid, { from: Math.min(Math.max(began, tracked.heard), at), at })
    tracked.told = { ...facts, ...this.#origin, uid, time: at, valid_from, valid_to: openEnd, ended_after: 0 }
    this.#take(tracked.told)
    this.#hold(tracked.told, Infinity)
  }

  #change(tracked: Tracked, told: ObjectVersion, facts: Facts, { at, sure }: Moment): void {
    if (sameFacts(told, facts)) return
    const { uid } = tracked
    const isSameOwn = sameFacts(told, facts, hasArrived(told, facts, at) ? [...late, 'services'] : late)
    const valid_from = isSameOwn ? fromOf(told) : Math.max(at, fromOf(told) + 1)
    tracked.told = { ...facts, ...this.#origin, uid, time: at, valid_from, valid_to: openEnd, ended_after: 0 }
    this.#take(tracked.told)
    if (isSameOwn) return
    // Where it went on having its addresses, nobody need doubt it in between.
    const isKnown = sure === at || sameTexts(told.addresses, facts.addresses)
    this.#take({ ...told, time: at, valid_to: valid_from, ended_after: isKnown ? 0 : Math.min(valid_from, Math.max(sure, timeOf(told))) })
    for (const address of told.addresses ?? []) if (!facts.addresses?.includes(address)) this.#release(address, uid, valid_from)
    this.#hold(tracked.told, Infinity)
  }

  /** Its containers ended. Of one that ran while nobody looked, that it did. */
  #finish(tracked: Tracked, { facts, began, uid, surelyUntil = 0 }: Sighting, moment: Moment): void {
    const { at, sure } = moment
    tracked.over = true
    if (tracked.told) {
      this.#end(tracked, tracked.told, moment)
      tracked.told = undefined
      return
    }
    const isLive = sure === at
    if (!facts.addresses?.length || !(isLive || (sure > 0 && surelyUntil > sure))) return
    const from = Math.min(Math.max(began, tracked.heard), at)
    const valid_from = this.#freeFrom(facts, uid, { from, at })
    const valid_to = Math.max(valid_from + 1, at)
    const ended_after = isLive ? 0 : within(surelyUntil, valid_from, valid_to)
    const version = { ...facts, ...this.#origin, uid, time: at, valid_from, valid_to, ended_after }
    this.#take(version)
    this.#hold(version, surelyUntil || valid_to)
  }

  #end(tracked: Tracked, told: ObjectVersion, { at, sure, since }: Moment): void {
    const from = fromOf(told)
    const { handedOn, surelyUntil } = tracked
    const valid_to = Math.max(from, handedOn > from && at - handedOn < handingOnMicros ? Math.min(at, handedOn) : at)
    const known = within(surelyUntil, from, valid_to)
    const ended_after = sure === at ? 0 : Math.min(valid_to, Math.max(sure, timeOf(told), known))
    this.#take({ ...told, time: at, valid_to, ended_after })
    const until = Math.max(from, Math.min(surelyUntil ? known : ended_after || valid_to, since))
    for (const address of told.addresses ?? []) this.#release(address, tracked.uid, until)
  }

  /** Since when it can have its addresses: not before whoever had them surely ended, and at the latest when it was seen with them. */
  #freeFrom(facts: Facts, uid: string, { from, at }: { from: number; at: number }): number {
    if (!isSole(facts)) return from
    let free = from
    for (const address of facts.addresses ?? []) {
      const holder = this.#holders.get(address)
      if (!holder || holder.uid === uid) continue
      const other = holder.until === Infinity ? this.#pod(holder.uid) : undefined
      free = Math.max(free, Math.min(at, other ? other.surelyUntil || at : holder.until))
    }
    return free
  }

  #hold(version: ObjectVersion, until: number): void {
    if (!isSole(version)) return
    const uid = version.uid ?? ''
    for (const address of version.addresses ?? []) {
      const before = this.#holders.get(address)
      if (before && before.uid !== uid && before.until === Infinity) {
        // What has ended has not taken the address from who still has it.
        if (until !== Infinity) continue
        const other = this.#pod(before.uid)
        if (other) other.handedOn ||= timeOf(version)
      }
      this.#holders.set(address, { uid, until })
    }
  }

  #release(address: string, uid: string, until: number): void {
    const holder = this.#holders.get(address)
    if (holder?.uid === uid) holder.until = until
  }

  #forget(at: number): void {
    for (const [address, { until }] of this.#holders) if (until < at - forgetMicros) this.#holders.delete(address)
  }

  #pod = (uid: string) => this.#resources.get(pods)?.get(uid)
}

const fromOf = ({ valid_from = 0 }: ObjectVersion) => valid_from
const timeOf = ({ time = 0 }: ObjectVersion) => time
const within = (time: number, least: number, most: number) => Math.min(most, Math.max(least, time))

const trackedAs = (uid: string, { told, heard, over = false }: { told?: ObjectVersion; heard: number; over?: boolean }): Tracked => ({
  uid,
  heard,
  told,
  over,
  surelyUntil: 0,
  handedOn: 0,
  listing: 0,
})

/** Whether its addresses are its own: those of services may be shared, those of the host network are. */
const isSole = ({ kind, host_network }: Facts) => kind === 'pod' && !host_network

function isAsKnown({ told, over, surelyUntil }: Tracked, sighting: Sighting): boolean {
  if (over) return true
  if (sighting.over || (sighting.surelyUntil ?? 0) !== surelyUntil) return false
  return told ? sameFacts(told, sighting.facts) : Boolean(sighting.coming)
}

/** Whether services have only been added to a version that is young. */
function hasArrived({ services = [], valid_from = 0 }: ObjectVersion, facts: Facts, at: number): boolean {
  return at - valid_from < arrivingMicros && services.every(service => facts.services?.includes(service))
}
