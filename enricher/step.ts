import type { Block, Labels } from '../runtime/block/block.ts'
import type { Column } from '../runtime/block/column.ts'
import { writeLabels } from '../runtime/block/columns.ts'
import type { RecordKind } from '../schema/record.ts'

/** A block on its way through the steps: what came, and the columns the steps have written so far. */
export class Draft {
  readonly kind: RecordKind
  readonly block: Block
  readonly written = new Map<string, Pick<Column, 'type' | 'write'>>()
  readonly #given = new Map<string, Labels>()
  readonly #labels = new Map<string, Labels>()

  constructor(kind: RecordKind, block: Block) {
    this.kind = kind
    this.block = block
  }

  /** A column of labels as it is now: as a step before wrote it, or as it came. */
  labels(name: string): Labels {
    return this.#labels.get(name) ?? this.given(name)
  }

  /** A column of labels as it came, whatever a step wrote. */
  given(name: string): Labels {
    let labels = this.#given.get(name)
    if (!labels) this.#given.set(name, (labels = this.block.labels(name)))
    return labels
  }

  setLabels(name: string, labels: Labels): void {
    this.#labels.set(name, labels)
    this.written.set(name, {
      type: 'LowCardinality(String)',
      write: (out, rows) => writeLabels(out, labels.keys, labels.codes, rows),
    })
  }

  setPorts(name: string, ports: Uint16Array): void {
    this.written.set(name, { type: 'UInt16', write: out => out.raw(ports) })
  }

  /** Bits of 16, numbers of 32, or booleans; what holds nothing but zeros is left out. */
  setNumbers(name: string, numbers: Uint8Array | Uint16Array | Uint32Array): void {
    let any = 0
    for (let row = 0; row < numbers.length && !any; row++) any = numbers[row]
    if (!any) return
    const type = numbers instanceof Uint8Array ? 'Bool' : numbers instanceof Uint16Array ? 'UInt16' : 'UInt32'
    this.written.set(name, { type, write: out => out.raw(numbers) })
  }
}

/** Fills fields a record does not carry. `fills` are the fields whose `filledBy` or `completedBy` names the step. */
export interface Step {
  name: string
  /** Up to when the objects of which clusters should be known before it works, microseconds. */
  until?(draft: Draft): ReadonlyMap<string, number>
  enrich(draft: Draft): void
}
