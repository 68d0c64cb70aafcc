import { Cursor } from '../protobuf/cursor.ts'
import { OverLimitError } from '../protobuf/limits.ts'

/** An interface the packets of a flow went through, and which way. */
export interface Passage {
  name: string
  isEgress: boolean
  /** Whether the interface leads to other nodes. */
  isUplink: boolean
}

const longestName = 256

/** Names of interfaces that lead to other nodes, when nobody says otherwise; `*` stands for anything. */
export const commonUplinks =
  'eth* ens* eno* enp* enx* bond* team* ib* br-ex breth* genev_sys_* vxlan* geneve* flannel* cilium_vxlan cilium_geneve cilium_wg* tunl* wg* wireguard*'.split(
    ' ',
  )

/** Whether a name fits one of the patterns. */
export function uplinksBy(patterns: readonly string[]): (name: string) => boolean {
  const escaped = patterns.map(pattern => pattern.replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*'))
  const any = new RegExp(`^(?:${escaped.join('|')})$`)
  return patterns.length ? name => any.test(name) : () => false
}

/** Makes a reader of pbflow.DupMapEntry. It throws UndecodableError and OverLimitError. */
export function passageReader(isUplink: (name: string) => boolean) {
  return (bytes: Buffer, start: number, end: number): Passage => {
    const cursor = new Cursor()
    cursor.open(bytes, start, end)
    let name = ''
    let isEgress = false
    while (cursor.at < end) {
      const tag = cursor.tag()
      if (tag === 16) isEgress = cursor.varint() === 1
      else if (tag === 10) {
        cursor.span()
        name = textOf(cursor)
      } else cursor.skip(tag)
    }
    cursor.close(end)
    return { name, isEgress, isUplink: isUplink(name) }
  }
}

function textOf(cursor: Cursor): string {
  const { start, end } = cursor
  if (end - start > longestName) throw new OverLimitError(`an interface with a name of ${end - start} bytes`)
  return cursor.text(start, end)
}
