import { type ObjectVersion, objectKey } from '../../schema/object.ts'
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
  readonly #known = new Map<string, Version<T>>()
  readonly #newest = new Map<string, Version<T>>()
  readonly #byName = new Map<string, Version<T>[]>()
  readonly #namesOf: (value: T) => readonly string[]

  constructor(namesOf: (value: T) => readonly string[]) {
    this.#namesOf = namesOf
  }

  get size(): number {
    return this.#known.size
  }

  /** Takes a version in; what it says is read from it once. Answers what is known of it now. */
  put(version: ObjectVersion, read: () => T): Version<T> {
    const key = objectKey(version)
    const { valid_from: from = 0, valid_to: to = Infinity } = version
    const known = this.#known.get(key)
    if (known) {
      known.to = to
      return known
    }
    const added = { from, to, value: read() }
    this.#known.set(key, added)
    for (const name of this.#namesOf(added.value)) {
      const all = this.#byName.get(name)
      if (all) all.push(added)
      else this.#byName.set(name, [added])
    }
    this.#succeed(`${version.cluster ?? ''}/${version.kind}/${version.uid}`, added)
    return added
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
    for (const versions of [this.#known, this.#newest]) for (const [key, { to }] of versions) if (to < before) versions.delete(key)
    for (const [name, all] of this.#byName) {
      const kept = all.filter(({ to }) => to >= before)
      if (kept.length === all.length) continue
      if (kept.length) this.#byName.set(name, kept)
      else this.#byName.delete(name)
    }
  }

  #succeed(object: string, added: Version<T>): void {
    const other = this.#newest.get(object)
    if (!other) return void this.#newest.set(object, added)
    const [earlier, later] = other.from <= added.from ? [other, added] : [added, other]
    earlier.to = Math.min(earlier.to, later.from)
    this.#newest.set(object, later)
  }
}
