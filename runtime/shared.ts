const usualMost = 100_000

/** One copy of texts and lists of texts that many objects have: pods of a workload have nearly all of theirs in common. */
export class Shared {
  readonly #most: number
  readonly #texts = new Map<string, string>()
  readonly #lists = new Map<string, string[]>()

  constructor(most = usualMost) {
    this.#most = most
  }

  text(text: string): string {
    return remembered(this.#texts, text, this.#most, () => text)
  }

  list(list: string[]): string[] {
    return remembered(this.#lists, list.join('\n'), this.#most, () => list)
  }
}

/** What is known by a key, or made of it. When more than `most` are known all are forgotten, which costs time and nothing else. */
export function remembered<T>(known: Map<string, T>, key: string, most: number, make: (key: string) => T): T {
  const found = known.get(key)
  if (found !== undefined) return found
  if (known.size >= most) known.clear()
  const made = make(key)
  known.set(key, made)
  return made
}
