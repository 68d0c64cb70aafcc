import type { AttributesColumn } from '../../runtime/block/attributes-column.ts'
import type { Name } from './names.ts'

const most = 32

/** Pairs of an entry, their values as places in its bytes. The last of a name counts. */
export class Pairs {
  readonly #names: Name[] = []
  readonly #places = new Int32Array(most * 2)

  clear(): void {
    this.#names.length = 0
  }

  get size(): number {
    return this.#names.length
  }

  /** False when there are too many already. */
  set(name: Name, start: number, end: number): boolean {
    let index = this.#names.indexOf(name)
    if (index < 0) {
      if (this.#names.length === most) return false
      index = this.#names.push(name) - 1
    }
    this.#places[index * 2] = start
    this.#places[index * 2 + 1] = end
    return true
  }

  /** Adds them to the row of the column that was begun last; `view` is over the same bytes. */
  write(column: AttributesColumn, bytes: Buffer, view: DataView): void {
    for (let i = 0; i < this.#names.length; i++) {
      const start = this.#places[i * 2]
      const end = this.#places[i * 2 + 1]
      if (end > start) column.addView(this.#names[i].attribute, bytes, view, start, end)
    }
  }
}
