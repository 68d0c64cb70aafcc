const mostSeries = 200_000

/**
 * What series that only grow grew by. The first point of a series is the whole of it when it began while we listened; of one that began
 * before, it is where counting begins, as others may have counted the rest.
 */
export class Growth {
  readonly #last = new Map<string, { began: number; time: number; value: number }>()
  readonly #since: number
  readonly #most: number

  /** `since`: when listening began, in microseconds. */
  constructor(since: number, most = mostSeries) {
    this.#since = since
    this.#most = most
  }

  /** Undefined when there is nothing to tell: the first point of an old series, or one that was sent again. */
  of(series: string, { began, time, value }: { began: number; time: number; value: number }): { grew: number; since: number } | undefined {
    const last = this.#last.get(series)
    if (last && time <= last.time) return undefined
    this.#last.delete(series)
    this.#last.set(series, { began, time, value })
    if (this.#last.size > this.#most) this.#forgetOldest()
    if (!last) return began >= this.#since ? { grew: value, since: began } : undefined
    const isReset = value < last.value || (began > 0 && last.began > 0 && began > last.time)
    return isReset ? { grew: value, since: began || last.time } : { grew: value - last.value, since: last.time }
  }

  #forgetOldest(): void {
    const [oldest] = this.#last.keys()
    this.#last.delete(oldest)
  }
}
