/** Numbers distinct combinations of four whole numbers from 0 on, in order of arrival. */
export class Combinations {
  #slots = new Int32Array(4096).fill(-1)
  #parts = new Int32Array(2048 * 4)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** The combination's number; it is new when `count` has grown. */
  number(a: number, b: number, c: number, d: number): number {
    const mask = this.#slots.length - 1
    const parts = this.#parts
    let slot = mix(a, b, c, d) & mask
    for (;;) {
      const known = this.#slots[slot]
      if (known < 0) return this.#add(slot, a, b, c, d)
      const part = known * 4
      if (parts[part + 3] === d && parts[part] === a && parts[part + 1] === b && parts[part + 2] === c) return known
      slot = (slot + 1) & mask
    }
  }

  /** The combination's number, or -1 for one that never came. */
  find(a: number, b: number, c: number, d: number): number {
    const mask = this.#slots.length - 1
    const parts = this.#parts
    for (let slot = mix(a, b, c, d) & mask; ; slot = (slot + 1) & mask) {
      const known = this.#slots[slot]
      if (known < 0) return -1
      const part = known * 4
      if (parts[part + 3] === d && parts[part] === a && parts[part + 1] === b && parts[part + 2] === c) return known
    }
  }

  /** The four numbers of a combination. */
  parts(number: number): readonly [number, number, number, number] {
    const part = number * 4
    return [this.#parts[part], this.#parts[part + 1], this.#parts[part + 2], this.#parts[part + 3]]
  }

  clear(): void {
    this.#slots.fill(-1)
    this.#count = 0
  }

  #add(slot: number, a: number, b: number, c: number, d: number): number {
    const number = this.#count++
    this.#slots[slot] = number
    const part = number * 4
    this.#parts[part] = a
    this.#parts[part + 1] = b
    this.#parts[part + 2] = c
    this.#parts[part + 3] = d
    if (this.#count * 2 >= this.#slots.length) this.#grow()
    return number
  }

  #grow(): void {
    const parts = new Int32Array(this.#parts.length * 2)
    parts.set(this.#parts)
    this.#parts = parts
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1)
    const mask = this.#slots.length - 1
    for (let number = 0; number < this.#count; number++) {
      const part = number * 4
      let slot = mix(parts[part], parts[part + 1], parts[part + 2], parts[part + 3]) & mask
      while (this.#slots[slot] >= 0) slot = (slot + 1) & mask
      this.#slots[slot] = number
    }
  }
}

function mix(a: number, b: number, c: number, d: number): number {
  const hash = Math.imul(a, 0x85ebca6b) ^ Math.imul(b, 0xc2b2ae35) ^ Math.imul(c, 0x27d4eb2f) ^ Math.imul(d, 0x9e3779b1)
  return hash ^ (hash >>> 15)
}
