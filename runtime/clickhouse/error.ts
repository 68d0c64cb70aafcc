import { ClickHouseError as ServerError } from '@clickhouse/client'

/** Names of ClickHouse's errors after which the same statement may well succeed later. */
const passing = new Set([
  'TOO_MANY_PARTS',
  'TOO_MANY_SIMULTANEOUS_QUERIES',
  'MEMORY_LIMIT_EXCEEDED',
  'CANNOT_ALLOCATE_MEMORY',
  'TIMEOUT_EXCEEDED',
  'SOCKET_TIMEOUT',
  'NETWORK_ERROR',
  'CANNOT_READ_FROM_SOCKET',
  'CANNOT_WRITE_TO_SOCKET',
  'ALL_CONNECTION_TRIES_FAILED',
  'SERVER_OVERLOADED',
  'ABORTED',
  'QUERY_WAS_CANCELLED',
  'TABLE_IS_READ_ONLY',
  'KEEPER_EXCEPTION',
  'NO_ZOOKEEPER',
  'UNKNOWN_STATUS_OF_INSERT',
  'NOT_ENOUGH_SPACE',
  'CANNOT_WRITE_TO_FILE_DESCRIPTOR',
  'CANNOT_FSYNC',
  'CANNOT_CREATE_FILE',
  'NOT_ENOUGH_REPLICAS',
  'TOO_FEW_LIVE_REPLICAS',
  'DEADLOCK_AVOIDED',
  'CANNOT_ASSIGN_ALTER',
  'UNFINISHED',
  'CANNOT_SCHEDULE_TASK',
  'CANNOT_OPEN_FILE',
  'ASYNC_LOAD_WAIT_FAILED',
])

/** What is wrong with the server and not with what was to be inserted: somebody will put it right. */
const mendable = new Set([
  'UNKNOWN_TABLE',
  'UNKNOWN_DATABASE',
  'TABLE_IS_DROPPED',
  'AUTHENTICATION_FAILED',
  'ACCESS_DENIED',
  'READONLY',
  'QUOTA_EXCEEDED',
])

/** What ClickHouse refused, or why it could not be asked. `type` is its own name of the error, or 'UNREACHABLE'. */
export class ClickHouseError extends Error {
  override name = 'ClickHouseError'
  readonly code: number
  readonly type: string
  /** Whether the same statement may succeed later. */
  readonly retriable: boolean

  constructor(message: string, { code, type, retriable, cause }: { code: number; type: string; retriable: boolean; cause?: unknown }) {
    super(message, { cause })
    this.code = code
    this.type = type
    this.retriable = retriable
  }
}

/** The error as ours; `where` says which server, without its password. */
export function toClickHouseError(error: unknown, where: string, { inserting = false } = {}): ClickHouseError {
  if (error instanceof ClickHouseError) return error
  if (error instanceof ServerError) {
    const type = error.type ?? 'UNKNOWN'
    const retriable = passing.has(type) || (inserting && mendable.has(type))
    return new ClickHouseError(`${type}: ${error.message.trim()}`, { code: Number(error.code), type, retriable })
  }
  const { message, code } = error as NodeJS.ErrnoException
  const why = message || code || 'no answer'
  return new ClickHouseError(`cannot reach ClickHouse at ${where}: ${why}`, { code: 0, type: 'UNREACHABLE', retriable: true, cause: error })
}
