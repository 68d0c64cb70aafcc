import { openLineReader, type FormatOptions } from '../../../collectors/access_log/reader.ts'
import type { LineContext } from '../../../collectors/access_log/line.ts'
import { Block } from '../../../runtime/block/block.ts'
import { BlockBuilder } from '../../../runtime/block/builder.ts'
import { type KindName, kinds } from '../../../schema/record.ts'

export type Row = Record<string, unknown>

export const context: LineContext = { source: 'access_log', cluster: 'home', received: 1_800_000_000_000_000 }
export const podContext = (name: string, namespace = 'shop'): LineContext => ({ ...context, pod: { namespace, name, node: 'node-1' } })

/** A reader with blocks of its own. */
export function open(options: FormatOptions = {}, capacity = 512) {
  const builders = new Map<KindName, BlockBuilder>()
  const letters: { reason: string; body: string }[] = []
  const discarded = new Map<string, number>()
  const block = (kind: KindName) => {
    const known = builders.get(kind)
    if (known) return known
    const builder = new BlockBuilder(kinds[kind], capacity)
    builders.set(kind, builder)
    return builder
  }
  const reader = openLineReader(
    options,
    { block, deadLetter: ({ reason, body }) => void letters.push({ reason, body: Buffer.from(body).toString() }) },
    { discarded: (count, reason) => void discarded.set(reason, (discarded.get(reason) ?? 0) + count) },
  )
  const records = (kind: KindName): Row[] => new Block(block(kind).encode(), kinds[kind]).records()
  return { reader, block, records, letters, discarded }
}

/** What the lines become, and how many of them were none. */
export function readAll(lines: readonly string[], { options = {} as FormatOptions, context: given = context } = {}) {
  const opened = open(options, Math.max(512, lines.length * 2))
  const taken = lines.filter(line => opened.reader.take(line, given)).length
  return { requests: opened.records('request'), flows: opened.records('flow'), taken, letters: opened.letters, discarded: opened.discarded }
}

/** Without what holds nothing, so that expectations name what is there. */
export const filled = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== '' && value !== 0 && value !== false && !isEmpty(value)))

const isEmpty = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0
