import { type Delivered, type Message, type TopicOptions, usualTombstoneMs } from '../bus.ts'
import type { Database } from './database.ts'

/** A topic's row: its settings, and how much went in and is still there. */
export interface TopicState {
  id: number
  name: string
  compacted: 0 | 1
  await_readers: 0 | 1
  /** Of a compacted topic, that of tombstones. */
  max_age_ms: number
  max_bytes: number
  next: number
  published_bytes: number
  kept_bytes: number
}

/** A message ready to be stored. `size` is what it counts for. */
export interface Entry extends Message {
  headerText: string
  size: number
}

interface Row {
  offset: number
  time: number
  key: string | null
  headers: string
  ids: Uint8Array | null
  body: Uint8Array | null
}

type OnwardRow = [
  offset: number,
  time: number,
  key: string | null,
  headers: string,
  ids: Uint8Array | null,
  body: Uint8Array | null,
  size: number,
]

/** The messages of one topic, a table of their own so that an offset is a row's address. Every function is one step of a transaction. */
export interface Topic {
  id: number
  name: string
  state(): TopicState
  append(entries: Entry[], time: number): void
  /** Messages from `offset` on, at most `maxBytes` of them but at least one. */
  from(offset: number, maxBytes: number): Delivered[]
  one(offset: number): Delivered | undefined
  /** What is known without the body of messages before `offset`, newest first. */
  before(offset: number, count: number): { offset: number; time: number; headers: string }[]
  /** The first message at or after the offset: how many bytes were published before it, and when it was. */
  at(offset: number): { offset: number; start: number; time: number } | undefined
  /** Removes the oldest messages below `floor` that `expired` holds for, given how many bytes are kept. */
  removeOldest(floor: number, expired: (time: number, keptBytes: number) => boolean): { messages: number; bytes: number }
  /** Whether there are tombstones that are kept no longer, by `now`. */
  hasOldTombstones(now: number): boolean
  /** Removes some of these. */
  removeTombstones(now: number): { messages: number; bytes: number }
  count(fromOffset: number): { messages: number; bytes: number }
}

const maxMessagesAtOnce = 10_000
const maxRemovedAtOnce = 500
const none = new Uint8Array()
/** The headers of a tombstone, as they stand in the file; the index over tombstones is for exactly this text. */
const tombstoneHeaders = '{"weir-tombstone":""}'

const delivered = ({ offset, time, key, headers, ids, body }: Row): Delivered => ({
  offset,
  time,
  ...(key !== null && { key }),
  headers: headers === tombstoneHeaders ? {} : (JSON.parse(headers) as Record<string, string>),
  body: body ?? none,
  ...(headers === tombstoneHeaders && { tombstone: true }),
  ...(ids && { ids }),
})

export function entry({ key, headers, body, ids, tombstone }: Message): Entry {
  const headerText = tombstone ? tombstoneHeaders : JSON.stringify(headers)
  return { key, headers, body, ids, headerText, size: body.length + (ids?.length ?? 0) + headerText.length + (key?.length ?? 0) }
}

/** Makes the topic, or gives the one that is there these settings. */
export function saveTopic(database: Database, name: string, options: TopicOptions, defaultMaxBytes: number): void {
  const {
    compacted = false,
    awaitReaders = true,
    maxAgeMs = Infinity,
    maxBytes = defaultMaxBytes,
    tombstoneMs = usualTombstoneMs,
  } = options
  const known = database.prepare('SELECT id, compacted FROM topic WHERE name = ?').get(name) as { compacted: number } | undefined
  if (known && Boolean(known.compacted) !== compacted)
    throw new Error(`topic ${name}: compacted is ${!compacted} since it was made and cannot become ${compacted}`)
  const { id } = database
    .prepare(
      `INSERT INTO topic (name, compacted, await_readers, max_age_ms, max_bytes) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
       SET await_readers = excluded.await_readers, max_age_ms = excluded.max_age_ms, max_bytes = excluded.max_bytes RETURNING id`,
    )
    .get(name, Number(compacted), Number(awaitReaders && !compacted), compacted ? tombstoneMs : maxAgeMs, maxBytes) as { id: number }
  if (compacted && known) indexTombstones(database, id)
  if (known) return
  // The body comes last: what stands before it is read without touching the pages the body fills.
  database.exec(`CREATE TABLE message_${id} (offset INTEGER PRIMARY KEY, time INTEGER NOT NULL, start INTEGER NOT NULL, size INTEGER NOT NULL,
    key TEXT, headers TEXT NOT NULL, ids BLOB, body BLOB) STRICT`)
  if (compacted) database.exec(`CREATE INDEX key_${id} ON message_${id} (key)`)
  if (compacted) indexTombstones(database, id)
}

/** Finds tombstones without looking at the other messages; topics that were made before there were any have no such index. */
function indexTombstones(database: Database, id: number): void {
  database.exec(`CREATE INDEX IF NOT EXISTS tombstone_${id} ON message_${id} (time) WHERE headers = '${tombstoneHeaders}'`)
}

export function listTopics(database: Database): TopicState[] {
  return database.prepare('SELECT * FROM topic').all() as unknown as TopicState[]
}

export function topicOf(database: Database, { id, name }: { id: number; name: string }): Topic {
  const table = `message_${id}`
  const select = `SELECT offset, time, key, headers, ids, body FROM ${table}`
  const statements = {
    state: database.prepare('SELECT * FROM topic WHERE id = ?'),
    add: database.prepare(`INSERT INTO ${table} (offset, time, start, size, key, headers, ids, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),
    grow: database.prepare('UPDATE topic SET next = ?, published_bytes = ?, kept_bytes = ? WHERE id = ?'),
    shrink: database.prepare('UPDATE topic SET kept_bytes = kept_bytes - ? WHERE id = ?'),
    sizes: database.prepare(`SELECT offset, time, size FROM ${table} WHERE offset >= ? ORDER BY offset LIMIT ?`),
    onward: database.prepare(`SELECT offset, time, key, headers, ids, body, size FROM ${table} WHERE offset >= ? ORDER BY offset LIMIT ?`),
    range: database.prepare(`${select} WHERE offset BETWEEN ? AND ? ORDER BY offset`),
    before: database.prepare(`SELECT offset, time, headers FROM ${table} WHERE offset < ? ORDER BY offset DESC LIMIT ?`),
    at: database.prepare(`SELECT offset, start, time FROM ${table} WHERE offset >= ? ORDER BY offset LIMIT 1`),
    remove: database.prepare(`DELETE FROM ${table} WHERE offset <= ?`),
    replace: database.prepare(`DELETE FROM ${table} WHERE key = ? RETURNING size`),
    old: database.prepare(`SELECT 1 FROM ${table} WHERE headers = '${tombstoneHeaders}' AND time < ? LIMIT 1`),
    removeOld: database.prepare(`DELETE FROM ${table} WHERE offset IN (
      SELECT offset FROM ${table} WHERE headers = '${tombstoneHeaders}' AND time < ? LIMIT ${maxRemovedAtOnce}) RETURNING size`),
    count: database.prepare(`SELECT count(*) AS messages, coalesce(sum(size), 0) AS bytes FROM ${table} WHERE offset >= ?`),
  }
  // Most of what is read is read by this one, and arrays are made faster than objects.
  statements.onward.setReturnArrays(true)
  const state = () => statements.state.get(id) as unknown as TopicState
  const sizes = (offset: number, limit: number) =>
    statements.sizes.iterate(offset, limit) as Iterable<{ offset: number; time: number; size: number }>
  return {
    id,
    name,
    state,
    append(entries, time) {
      let { next, published_bytes: published, kept_bytes: kept, compacted } = state()
      for (const { key = null, headerText, ids = null, body, size } of entries) {
        if (compacted) for (const old of statements.replace.all(key)) kept -= old.size as number
        statements.add.run(next++, time, published, size, key, headerText, ids, body)
        published += size
        kept += size
      }
      statements.grow.run(next, published, kept, id)
    },
    from(offset, maxBytes) {
      const messages: Delivered[] = []
      let bytes = 0
      for (const row of statements.onward.iterate(offset, maxMessagesAtOnce) as Iterable<unknown> as Iterable<OnwardRow>) {
        const [offset, time, key, headers, ids, body, size] = row
        bytes += size
        if (messages.length && bytes > maxBytes) break
        messages.push(delivered({ offset, time, key, headers, ids, body }))
      }
      return messages
    },
    one: offset => (statements.range.all(offset, offset) as unknown as Row[]).map(delivered)[0],
    before: (offset, count) => statements.before.all(offset, count) as unknown as ReturnType<Topic['before']>,
    at: offset => statements.at.get(offset) as ReturnType<Topic['at']>,
    removeOldest(floor, expired) {
      let kept = state().kept_bytes
      let last = -1
      let messages = 0
      let bytes = 0
      for (const row of sizes(0, maxRemovedAtOnce)) {
        if (row.offset >= floor || !expired(row.time, kept)) break
        last = row.offset
        kept -= row.size
        bytes += row.size
        messages++
      }
      if (messages) {
        statements.remove.run(last)
        statements.shrink.run(bytes, id)
      }
      return { messages, bytes }
    },
    hasOldTombstones: now => statements.old.get(now - state().max_age_ms) !== undefined,
    removeTombstones(now) {
      const sizes = statements.removeOld.all(now - state().max_age_ms).map(({ size }) => size as number)
      const bytes = sizes.reduce((sum, size) => sum + size, 0)
      if (sizes.length) statements.shrink.run(bytes, id)
      return { messages: sizes.length, bytes }
    },
    count: fromOffset => statements.count.get(fromOffset) as { messages: number; bytes: number },
  }
}
