import type { Block, Labels } from '../runtime/block/block.ts'
import type { Column } from '../runtime/block/columns.ts'
import { writeLabels } from '../runtime/block/columns.ts'
import type { RecordKind } from '../schema/record.ts'

/** A block on its way through the steps: what came, and the columns the steps have written so far. */
export class Draft {
  readonly kind: RecordKind
  readonly block: Block
  readonly written = new Map<string, Pick<Column, 'type' | 'write'>>()
  readonly #labels = new Map<string, Labels>()

  constructor(kind: RecordKind, block: Block) {
    this.kind = kind
    this.block = block
  }

  /** A column of labels as it is now: as a step before wrote it, or as it came. */
  labels(name: string): Labels {
    let labels = this.#labels.get(name)
    if (!labels) this.#labels.set(name, (labels = this.block.labels(name)))
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

  setNumbers(name: string, numbers: Uint32Array): void {
    this.written.set(name, { type: 'UInt32', write: out => out.raw(numbers) })
  }

  setBools(name: string, bools: Uint8Array): void {
    this.written.set(name, { type: 'Bool', write: out => out.raw(bools) })
  }
}

/** Fills fields a record does not carry. `fills` are the fields whose `filledBy` or `completedBy` names the step. */
export interface Step {
  name: string
  enrich(draft: Draft): void
}
