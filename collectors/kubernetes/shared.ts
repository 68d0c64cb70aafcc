const most = 100_000

/** One copy of texts and lists of texts that many objects have: pods of a workload have nearly all of theirs in common. */
export class Shared {
  readonly #texts = new Map<string, string>()
  readonly #lists = new Map<string, string[]>()

  text(text: string): string {
    return remembered(this.#texts, text, () => text)
  }

  list(list: string[]): string[] {
    return remembered(this.#lists, list.join('\n'), () => list)
  }
}

/** What is forgotten when there is too much of it costs memory and nothing else. */
function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  const found = known.get(key)
  if (found !== undefined) return found
  if (known.size >= most) known.clear()
  const made = make()
  known.set(key, made)
  return made
}
