import type { Labels } from '../samples/point.ts'
import { Cursor } from '../protobuf/cursor.ts'
import { SeriesTable } from './series-table.ts'
import type { Label } from './series.ts'

const [nameTag, valueTag] = [10, 18]

/** Labels by the bytes of their messages: series of a target have most of theirs in common. */
export class LabelMessages {
  readonly #known = new SeriesTable<Label>()

  /** The labels among the fields of a message from `start` to `end`: those with the tag. An empty one is none. Throws UndecodableError. */
  read(bytes: Buffer, view: DataView, { start, end, tag }: { start: number; end: number; tag: number }): Labels {
    const cursor = new Cursor()
    cursor.open(bytes, start, end)
    const labels: Label[] = []
    while (cursor.at < end) {
      const found = cursor.tag()
      cursor.skip(found)
      if (found !== tag) continue
      const label = this.#label(bytes, view, cursor.start, cursor.end)
      if (label[1] !== '') labels.push(label)
    }
    return labels
  }

  /** Forgets those that are not seen any more. */
  turn(): void {
    this.#known.turn()
  }

  #label(bytes: Buffer, view: DataView, start: number, end: number): Label {
    const known = this.#known.find(view, start, end)
    if (known) return known
    const label = labelOf(bytes, start, end)
    this.#known.add(bytes, view, start, end, label)
    return label
  }
}

/** A Label of prometheus, or a LabelPair of io.prometheus.client, which are alike. */
function labelOf(bytes: Buffer, start: number, end: number): Label {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  let [name, value] = ['', '']
  while (cursor.at < end) {
    const tag = cursor.tag()
    cursor.skip(tag)
    if (tag === nameTag) name = cursor.text(cursor.start, cursor.end)
    else if (tag === valueTag) value = cursor.text(cursor.start, cursor.end)
  }
  return [name, value]
}
