import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, type Logger } from '../../log.ts'
import { openReserve, type Reserve } from './reserve.ts'

/** One connection to the file. Work given to `write` is synchronous: it sees and leaves one state. */
export interface Database {
  prepare(sql: string): StatementSync
  exec(sql: string): void
  /**
   * Runs work in a transaction, durable when it resolves. Waits while the disk is full, until `signal` ends that.
   * Work that `grows` the file leaves the reserve to the rest.
   */
  write<T>(work: () => T, options?: { signal?: AbortSignal; grows?: boolean }): Promise<T>
  /** Whether the last write that was to grow the file found no space. */
  isFull(): boolean
  /** Calls `listener` after each write of this connection that changed something. */
  onWrite(listener: () => void): void
  /** Changes whenever this connection or another one has changed something. */
  version(): number
  close(): void
}

const busy = 5
const full = 13
const shmSize = 4874 // no space for the index of the write-ahead log
const formatVersion = 1
const pageBytes = 16_384
const fullRetryMs = 200
const fullLogEveryMs = 60_000
const lockTimeoutMs = 2_000

const tables = `
  CREATE TABLE IF NOT EXISTS topic (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    compacted INTEGER NOT NULL, await_readers INTEGER NOT NULL, max_age_ms REAL NOT NULL, max_bytes REAL NOT NULL,
    next INTEGER NOT NULL DEFAULT 0, published_bytes INTEGER NOT NULL DEFAULT 0, kept_bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE IF NOT EXISTS position (
    topic INTEGER NOT NULL, consumers TEXT NOT NULL, offset INTEGER NOT NULL, read_bytes INTEGER NOT NULL,
    metadata TEXT NOT NULL DEFAULT '', owner TEXT, PRIMARY KEY (topic, consumers)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${formatVersion};`

const codeOf = (error: unknown) => (error as { errcode?: number }).errcode ?? 0
const isBusy = (error: unknown) => (codeOf(error) & 0xff) === busy
/** Thrown in place of SQLite's own error. */
class DiskFull extends Error {
  readonly errcode = full
}

const isFull = (error: unknown) => codeOf(error) === full || codeOf(error) === shmSize

export interface DatabaseOptions {
  path: string
  log: Logger
  reserveBytes: number
  /** Acts as a disk of that size. */
  maxFileBytes?: number
}

/** Opens the file, or makes it. */
export async function openDatabase({ path, log, reserveBytes, maxFileBytes }: DatabaseOptions): Promise<Database> {
  const connection = new DatabaseSync(path, { timeout: lockTimeoutMs })
  try {
    await whileBusy(() => prepareFile(connection, path, maxFileBytes))
  } catch (error) {
    connection.close()
    throw new Error(`cannot open the bus ${path}`, { cause: error })
  }
  const dataVersion = connection.prepare('PRAGMA data_version')
  const statements = new Map<string, StatementSync>()
  const listeners: (() => void)[] = []
  const totalChanges = connection.prepare('SELECT total_changes() AS count')
  const changes = () => (totalChanges.get() as { count: number }).count
  let ownWrites = 0
  const full = fullReport(log)
  const write = writer(connection, openReserve(path, reserveBytes), full)
  return {
    prepare(sql) {
      const statement = statements.get(sql) ?? connection.prepare(sql)
      statements.set(sql, statement)
      return statement
    },
    exec: sql => connection.exec(sql),
    async write(work, options) {
      const before = changes()
      const result = await write(work, options)
      if (changes() === before) return result
      ownWrites++
      for (const listener of listeners) listener()
      return result
    },
    isFull: () => full.is(),
    onWrite: listener => void listeners.push(listener),
    version: () => ownWrites + (dataVersion.get() as { data_version: number }).data_version,
    close: () => connection.close(),
  }
}

function prepareFile(connection: DatabaseSync, path: string, maxFileBytes = Infinity) {
  connection.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;
    PRAGMA wal_autocheckpoint = 256`)
  const { user_version: version } = connection.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > formatVersion) throw new Error(`${path} has format ${version}, newer than the ${formatVersion} known here`)
  if (version < formatVersion) transact(connection, () => connection.exec(tables))
  if (Number.isFinite(maxFileBytes)) connection.exec(`PRAGMA max_page_count = ${Math.ceil(maxFileBytes / pageBytes)}`)
}

/** Fails at once when another process is writing: SQLite would block this process, `whileBusy` lets it do other things meanwhile. */
function begin(connection: DatabaseSync) {
  connection.exec('PRAGMA busy_timeout = 0')
  try {
    connection.exec('BEGIN IMMEDIATE')
  } finally {
    connection.exec(`PRAGMA busy_timeout = ${lockTimeoutMs}`)
  }
}

function transact<T>(connection: DatabaseSync, work: () => T): T {
  begin(connection)
  try {
    const result = work()
    connection.exec('COMMIT')
    return result
  } catch (error) {
    // SQLite has rolled back already after some errors.
    if (connection.isTransaction) connection.exec('ROLLBACK')
    throw error
  }
}

async function whileBusy<T>(work: () => T, patienceMs = 30_000): Promise<T> {
  const start = Date.now()
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || Date.now() - start > patienceMs) throw error
    }
    await sleep(1 + Math.random() * 4)
  }
}

interface Full {
  /** Called when a write found the disk full. */
  found(error: unknown): void
  /** Called after each write that went well. */
  over(): void
  is(): boolean
}

/** Says that the disk is full, and that it no longer is: at most once a minute. */
function fullReport(log: Logger): Full {
  let since: number | undefined
  let lastLog = -Infinity
  let is = false
  return {
    found(error) {
      is = true
      if (since || Date.now() - lastLog < fullLogEveryMs) return
      since = lastLog = Date.now()
      log.error({ error: describe(error) }, 'the disk of the bus is full: publishing waits')
    },
    over() {
      if (since) log.info({ waitedMs: Date.now() - since }, 'the bus has space again')
      since = undefined
      is = false
    },
    is: () => is,
  }
}

function writer(connection: DatabaseSync, reserve: Reserve, full: Full): Database['write'] {
  return async (work, { signal, grows = false } = {}) => {
    for (;;) {
      try {
        if (grows && !hasRoom(connection, reserve)) throw new DiskFull('no space for the reserve')
        const result = await whileBusy(() => transact(connection, work))
        if (grows) full.over()
        return result
      } catch (error) {
        if (!isFull(error)) throw error
        full.found(error)
        if (!grows) reserve.giveUp()
      }
      shrinkLog(connection)
      await sleep(grows ? fullRetryMs : 10, undefined, { signal }).catch(() => {})
      signal?.throwIfAborted()
    }
  }
}

/** The file's own free pages count too: it never becomes smaller, so after a full disk they may be all the space there is. */
function hasRoom(connection: DatabaseSync, reserve: Reserve) {
  if (reserve.held()) return true
  const { freelist_count: pages } = connection.prepare('PRAGMA freelist_count').get() as { freelist_count: number }
  return pages * pageBytes >= reserve.bytes
}

/** Moves what is in the write-ahead log to the file, so that the space of the log can be used again. */
function shrinkLog(connection: DatabaseSync) {
  try {
    connection.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } catch (error) {
    if (!isFull(error) && !isBusy(error)) throw error
  }
}
