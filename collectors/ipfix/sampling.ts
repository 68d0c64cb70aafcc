const maxSamplers = 1024

/** How many packets one that was looked at stands for: as the exporter says, by sampler or interface, else as configured. */
export class Sampling {
  readonly #configured: number
  readonly #samplers = new Map<number, number>()
  readonly #interfaces = new Map<number, number>()
  #all = 0

  constructor(configured = 1) {
    this.#configured = configured
  }

  /** The weight of what names neither sampler nor interface: what was said of all, else of the only sampler. */
  get weight(): number {
    if (this.#all) return this.#all
    if (this.#samplers.size !== 1) return this.#configured
    const [only] = this.#samplers.values()
    return only
  }

  /** The weight of what names this sampler. One that nobody told of takes no part where others were told of, as 0 does; else it is `otherwise`. */
  ofSampler(id: number, otherwise: number): number {
    return this.#samplers.get(id) ?? (this.#samplers.size ? this.#all || this.#configured : otherwise)
  }

  ofInterface(index: number): number | undefined {
    return this.#interfaces.get(index)
  }

  setAll(weight: number): void {
    if (isWeight(weight)) this.#all = weight
  }

  setSampler(id: number, weight: number): void {
    if (isWeight(weight) && (this.#samplers.size < maxSamplers || this.#samplers.has(id))) this.#samplers.set(id, weight)
  }

  setInterface(index: number, weight: number): void {
    if (isWeight(weight) && (this.#interfaces.size < maxSamplers || this.#interfaces.has(index))) this.#interfaces.set(index, weight)
  }
}

const isWeight = (weight: number) => Number.isFinite(weight) && weight >= 1
