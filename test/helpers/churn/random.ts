import { randomNumbers } from '../../benchmarks/random.ts'

/** Choices that are the same for the same seed. */
export function randomOf(seed: number) {
  const next = randomNumbers(seed)
  return {
    between: (least: number, most: number) => least + next() * (most - least),
    chance: (share: number) => next() < share,
    pick: <T>(list: readonly T[]) => list[Math.floor(next() * list.length)],
  }
}

export type Random = ReturnType<typeof randomOf>
