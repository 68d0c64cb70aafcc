import type { Message } from '../runtime/bus/bus.ts'
import type { RecordKind } from '../schema/record.ts'

/** Rows of a window have this revision from now on: what is stored of it so far is being attributed again. Seconds since 1970. */
export interface Tag {
  revision: number
  from: number
  to: number
}

const control = 'tag'

/** Tells who reads a partition of the tag: an empty block, so that nobody stumbles over it who does not know of tags. */
export const tagMessage = (kind: RecordKind, { revision, from, to }: Tag): Message => ({
  headers: {
    kind: kind.name,
    version: String(kind.version),
    rows: '0',
    encoding: 'none',
    control,
    revision: String(revision),
    from: String(from),
    to: String(to),
  },
  body: new Uint8Array(2),
})

/** Whether a message says something to its reader, and is no block of records. */
export const isControl = ({ headers }: Pick<Message, 'headers'>) => headers.control !== undefined

/** The tag of a message, if it is one. */
export function tagIn({ headers }: Pick<Message, 'headers'>): Tag | undefined {
  const tag = { revision: Number(headers.revision), from: Number(headers.from), to: Number(headers.to) }
  return headers.control === control && Object.values(tag).every(Number.isSafeInteger) ? tag : undefined
}

/** The later of two tags: one window is attributed again at a time. */
export const later = (one: Tag | undefined, other: Tag | undefined) =>
  one && other ? (other.revision >= one.revision ? other : one) : (one ?? other)
