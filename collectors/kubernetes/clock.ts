const samples = 64

/**
 * How far our clock is before the API server's, from answers that say which second it was there: it lies between the limits that all recent
 * answers set. Where it may be nothing it is nothing, for most clocks are right.
 */
export class ClockOffset {
  /** Limits in milliseconds. */
  #limits: { least: number; most: number }[] = []
  #offset = 0

  /** Milliseconds. */
  get ms(): number {
    return this.#offset
  }

  /** It was the second `date` there at a time between `asked` and `answered` here; all in milliseconds. */
  add(date: number, asked: number, answered: number): void {
    const own = { least: asked - date - 1000, most: answered - date }
    this.#limits.push(own)
    if (this.#limits.length > samples) this.#limits.shift()
    let { least, most } = this.#within()
    // A clock was set, or another server answers: what was known before does not hold.
    if (least > most) {
      this.#limits = [own]
      ;({ least, most } = own)
    }
    this.#offset = least <= 0 && most >= 0 ? 0 : Math.round((least + most) / 2)
  }

  #within(): { least: number; most: number } {
    return this.#limits.reduce((all, each) => ({ least: Math.max(all.least, each.least), most: Math.min(all.most, each.most) }))
  }
}
