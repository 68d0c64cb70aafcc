import type { Random } from './random.ts'

export const second = 1e6

/** A pod that had an address from one moment until before another, microseconds. */
export interface Life {
  cluster: string
  name: string
  namespace: string
  workload: string
  node: string
  address: string
  from: number
  to: number
}

/** A stretch in which nobody watches a cluster. */
export interface Away {
  from: number
  to: number
}

export const addressOf = (number: number) => `10.1.${number % 4}.${10 + (number >> 2)}`
/** Addresses of the ranges of pods that nobody ever has. */
export const unusedAddress = (number: number) => `10.1.${number % 4}.${200 + (number % 40)}`

/** Jobs of two seconds, pods of minutes, and some that stay; mostly the next has the address within a second. */
export function livesOf(
  random: Random,
  { cluster, addresses, from, to }: { cluster: string; addresses: number; from: number; to: number },
) {
  const lives: Life[] = []
  for (let number = 0; number < addresses; number++) {
    const stays = random.chance(0.3)
    let time = from + (random.chance(0.5) ? 0 : random.between(0, 20 * second))
    for (let turn = 0; time < to; turn++) {
      const length = stays ? 10 * (to - from) : random.chance(0.3) ? 2 * second : random.between(5 * second, 120 * second)
      const workload = random.pick(['cart', 'checkout', 'payment', 'batch'])
      lives.push({
        cluster,
        name: `${workload}-${cluster}-${number}-${turn}`,
        namespace: random.pick(['shop', 'jobs']),
        workload,
        node: `node-${number % 4}`,
        address: addressOf(number),
        from: Math.floor(time),
        to: Math.floor(time + length),
      })
      const gap = random.chance(0.2) ? 0 : random.chance(0.7) ? random.between(0, second) : random.between(second, 30 * second)
      time = Math.floor(time + length + gap)
    }
  }
  return lives
}
