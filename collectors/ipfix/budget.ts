/** How much there may be of something that many share. */
export class Budget {
  readonly #most: number
  #taken = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Whether there was so much left, which is taken then. */
  take(count: number): boolean {
    if (this.#taken + count > this.#most) return false
    this.#taken += count
    return true
  }

  give(count: number): void {
    this.#taken -= count
  }
}
