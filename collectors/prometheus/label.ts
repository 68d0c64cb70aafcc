import { Cursor } from '../protobuf/cursor.ts'

/** A Label of prometheus, or a LabelPair of io.prometheus.client, which are alike. Throws UndecodableError. */
export function labelOf(bytes: Buffer, start: number, end: number): [name: string, value: string] {
  const cursor = new Cursor()
  cursor.open(bytes, start, end)
  const label: [string, string] = ['', '']
  while (cursor.at < end) {
    const tag = cursor.tag()
    cursor.skip(tag)
    if (tag === nameTag) label[0] = cursor.text(cursor.start, cursor.end)
    else if (tag === valueTag) label[1] = cursor.text(cursor.start, cursor.end)
  }
  return label
}

const [nameTag, valueTag] = [10, 18]
