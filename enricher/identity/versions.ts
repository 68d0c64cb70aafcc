import { type ObjectVersion, objectName } from '../../schema/object.ts'
import type { Stretch } from './stretch.ts'

/** What was so from `from` until before `to`, microseconds. */
export interface Version<T> {
  from: number
  to: number
  value: T
}

/**
 * Versions of objects, found by names that are made of their values. A version told again with another end replaces what was known of it;
 * an object has one version at a time, so the earlier ends where the later begins.
 */
export class Versions<T> {
  /** Of each object, the newest last. */
  readonly #objects = new Map<string, Version<T>[]>()
  readonly #byName = new Map<string, Version<T>[]>()
  readonly #namesOf: (value: T) => readonly string[]
  #size = 0

  constructor(namesOf: (value: T) => readonly string[]) {
    this.#namesOf = namesOf
  }

  get size(): number {
    return this.#size
  }

  /** Takes a version in; what it says is read from it once. Answers what is known of it now. */
  put(version: ObjectVersion, read: () => T): Version<T> {
    const { valid_from: from = 0, valid_to: to = Infinity } = version
    const object = objectName(version)
    const versions = this.#objects.get(object)
    const known = versions?.find(version => version.from === from)
    if (known) {
      known.to = to
      return known
    }
    const added = { from, to, value: read() }
    for (const name of this.#namesOf(added.value)) this.#nameIt(name, added)
    if (versions) succeed(versions, added)
    else this.#objects.set(object, [added])
    this.#size++
    return added
  }

  #nameIt(name: string, version: Version<T>): void {
    const all = this.#byName.get(name)
    if (all) all.push(version)
    else this.#byName.set(name, [version])
  }

  /** Versions of every time that have a name. */
  named(name: string): readonly Version<T>[] {
    return this.#byName.get(name) ?? []
  }

  /** Values with a name at a time. */
  at(name: string, time: number, stretch: Stretch): T[] {
    return this.named(name)
      .filter(({ from, to }) => stretch.within(time, from, to))
      .map(({ value }) => value)
  }

  /** Forgets what ended before. */
  forget(before: number): void {
    this.#size -= forgetIn(this.#objects, before)
    forgetIn(this.#byName, before)
  }
}

/** Returns how many were forgotten. */
function forgetIn<T>(versions: Map<string, Version<T>[]>, before: number): number {
  let forgotten = 0
  for (const [name, all] of versions) {
    if (all.every(({ to }) => to >= before)) continue
    const kept = all.filter(({ to }) => to >= before)
    forgotten += all.length - kept.length
    if (kept.length) versions.set(name, kept)
    else versions.delete(name)
  }
  return forgotten
}

function succeed<T>(versions: Version<T>[], added: Version<T>): void {
  const newest = versions.at(-1)!
  const isNewer = newest.from <= added.from
  const [earlier, later] = isNewer ? [newest, added] : [added, newest]
  earlier.to = Math.min(earlier.to, later.from)
  versions.splice(isNewer ? versions.length : -1, 0, added)
}
