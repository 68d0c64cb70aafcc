import {
  type CopyName,
  alternatives,
  copies,
  elementKey,
  flowIdElement,
  forwardElements,
  keyCopies,
  lengths,
  replyElements,
  texts,
  totalElements,
} from './elements.ts'
import { type Template, variable } from './template.ts'
import type { Counter } from './totals.ts'
import { uint16 } from './wire.ts'

/** What a template is compiled to: which copy reads which field, as pairs of numbers in `forward` and `reply`. */
export interface Plan {
  template: Template
  /** Which field an element is, by its key. */
  fieldOf: ReadonlyMap<number, number>
  /** Bytes of a record; 0 when it has fields of variable length. */
  recordLength: number
  /** Bytes of the shortest record. */
  minLength: number
  offsets: Int32Array
  lengths: Int32Array
  forward: Int32Array
  /** The row of the way back, where records tell of both. */
  reply?: Int32Array
  /** Fields that count the way back. */
  replyCounters: readonly number[]
  /** Where its records count since their flow began. */
  totals?: TotalFields
  /** Whether its records say between which addresses. */
  hasAddress: boolean
  /** Whether they tell ICMP type and code. */
  hasIcmp: boolean
}

/** Numbers of fields. */
export interface TotalFields {
  counters: Partial<Record<Counter, number>>
  /** What tells the flow. */
  key: readonly number[]
  endReason: number | undefined
}

const codeOf = new Map<CopyName, number>(copies.map((name, code) => [name, code]))

/** Throws nothing; a template whose records would have no bytes has a `minLength` of 0 and is of no use. */
export function compile(template: Template): Plan {
  const fieldOf = new Map<number, number>()
  template.fields.forEach(({ enterprise, id, length }, index) => {
    const key = elementKey(enterprise, id)
    // The first counts where an exporter gives a field twice; one of no bytes says nothing.
    if (length > 0 && !fieldOf.has(key)) fieldOf.set(key, index)
  })
  const forward = choose(template, fieldOf, forwardElements)
  const reply = choose(template, fieldOf, replyElements)
  const replyCounters = [reply.get('bytes'), reply.get('packets')].filter(field => field !== undefined)
  return {
    template,
    fieldOf,
    ...layout(template),
    forward: operations(forward),
    reply: replyCounters.length ? operations(reply) : undefined,
    replyCounters,
    totals: totalsOf(template, forward, reply),
    hasIcmp: (['icmpTypeCode', 'icmpType', 'icmpCode'] as const).some(name => forward.has(name)),
    hasAddress: (['srcAddress4', 'srcAddress6', 'dstAddress4', 'dstAddress6'] as const).some(name => forward.has(name)),
  }
}

function totalsOf(
  { fields }: Template,
  forward: ReadonlyMap<CopyName, number>,
  reply: ReadonlyMap<CopyName, number>,
): TotalFields | undefined {
  const totalOf = (field: number | undefined) =>
    field !== undefined && totalElements.has(elementKey(fields[field].enterprise, fields[field].id)) ? field : undefined
  const counters = {
    bytes: totalOf(forward.get('bytes')),
    packets: totalOf(forward.get('packets')),
    replyBytes: totalOf(reply.get('bytes')),
    replyPackets: totalOf(reply.get('packets')),
  }
  if (Object.values(counters).every(field => field === undefined)) return undefined
  const flowId = fields.findIndex(({ enterprise, id }) => enterprise === 0 && id === flowIdElement)
  const named = keyCopies.map(name => forward.get(name)).filter(field => field !== undefined)
  return { counters, key: flowId < 0 ? named : [...named, flowId], endReason: forward.get('endReason') }
}

function layout({ fields }: Template): Pick<Plan, 'recordLength' | 'minLength' | 'offsets' | 'lengths'> {
  const offsets = new Int32Array(fields.length)
  const sizes = Int32Array.from(fields, ({ length }) => length)
  let at = 0
  fields.forEach(({ length }, index) => {
    offsets[index] = at
    at += length === variable ? 1 : length
  })
  return { recordLength: fields.some(({ length }) => length === variable) ? 0 : at, minLength: at, offsets, lengths: sizes }
}

function choose({ fields }: Template, fieldOf: ReadonlyMap<number, number>, elements: typeof forwardElements): Map<CopyName, number> {
  const chosen = new Map<CopyName, number>()
  for (const name of copies) {
    const field = elements[name]?.map(key => fieldOf.get(key)).find(index => index !== undefined && reads(name, fields[index].length))
    if (field !== undefined) chosen.set(name, field)
  }
  for (const group of alternatives) {
    const [, ...others] = group.filter(name => chosen.has(name))
    for (const name of others) chosen.delete(name)
  }
  return chosen
}

function reads(name: CopyName, length: number): boolean {
  if (texts.has(name)) return true
  return lengths[name]?.includes(length) ?? length <= 8
}

/** In the order of `copies`: what is first is read first. */
const operations = (chosen: ReadonlyMap<CopyName, number>) =>
  Int32Array.from([...chosen].flatMap(([name, field]) => [codeOf.get(name) as number, field]))

/** Where the fields of one record of variable length lie. */
export class RecordLayout {
  offsets = new Int32Array(64)
  lengths = new Int32Array(64)

  /** Finds the fields of the record at `start`. Returns its length, or -1 when it runs over `end`. */
  read(plan: Plan, bytes: Uint8Array, start: number, end: number): number {
    const count = plan.lengths.length
    if (this.offsets.length < count) [this.offsets, this.lengths] = [new Int32Array(count), new Int32Array(count)]
    let at = start
    for (let field = 0; field < count; field++) {
      let length = plan.lengths[field]
      if (length === variable) {
        if (at >= end) return -1
        length = bytes[at++]
        if (length === 255) {
          if (at + 2 > end) return -1
          length = uint16(bytes, at)
          at += 2
        }
      }
      this.offsets[field] = at - start
      this.lengths[field] = length
      at += length
      if (at > end) return -1
    }
    return at - start
  }
}
