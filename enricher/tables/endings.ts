const bucketMicros = 60e6

/** Things by when they end, to find those that have ended without looking at the others. Times are microseconds. */
export class Endings<T> {
  readonly #buckets = new Map<number, T[]>()
  #due: T[] = []
  #before = -Infinity

  /** It ends then, or did; when that changes it is put in again. */
  put(item: T, end: number): void {
    if (end <= this.#before) return void this.#due.push(item)
    const number = Math.ceil(end / bucketMicros)
    const bucket = this.#buckets.get(number)
    if (bucket) bucket.push(item)
    else this.#buckets.set(number, [item])
  }

  /** From now on what ended before is handed out, up to a minute later. */
  pass(before: number): void {
    if (before <= this.#before) return
    this.#before = before
    const ended = [...this.#buckets.keys()].filter(number => number * bucketMicros <= before).sort((a, b) => a - b)
    for (const number of ended) {
      // Not spread as arguments: a bucket may hold more than there may be of them.
      for (const item of this.#buckets.get(number)!) this.#due.push(item)
      this.#buckets.delete(number)
    }
  }

  /** Some of those whose end has passed, each as often as it was put in. */
  take(most: number): T[] {
    return this.#due.length ? this.#due.splice(0, most) : []
  }
}
