import type { FastifyError, FastifyInstance } from 'fastify'
import { ClickHouseError } from '../../runtime/clickhouse/error.ts'
import { type Logger, describe } from '../../runtime/log.ts'
import { NotFound, QueryError } from '../error.ts'
import { FilterError } from '../filter/error.ts'

/** What every answer that is no success says. */
export interface ErrorBody {
  code: string
  message: string
  /** Where in the request, such as `metrics[1]`. */
  place?: string
  /** Where in the filter, and how much of it. */
  position?: number
  length?: number
  expected?: readonly string[]
}

interface Described extends ErrorBody {
  status: number
}

/** Errors of ClickHouse that say the question costs too much. */
const tooDear = new Set([
  'TIMEOUT_EXCEEDED',
  'MEMORY_LIMIT_EXCEEDED',
  'TOO_MANY_ROWS',
  'TOO_MANY_BYTES',
  'TOO_SLOW',
  'TOO_MANY_ROWS_OR_BYTES',
  'QUOTA_EXCEEDED',
])

/** Every error as `{error: {code, message, …}}`; what is our fault is logged and not told. Nothing is a fault when the client has left. */
export function answerErrors(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const { status, ...body } = describeError(error)
    const isHeard = !reply.raw.destroyed
    if (status >= 500 && isHeard) log.warn({ error, method: request.method, url: request.url.slice(0, 300) }, 'a request failed')
    return reply.code(status).send({ error: body })
  })
}

function describeError(error: FastifyError): Described {
  if (error instanceof FilterError) return filterError(error)
  if (error instanceof QueryError)
    return { status: 400, code: 'bad_query', message: error.message, place: error.place, expected: error.expected }
  if (error instanceof NotFound) return { status: 404, code: 'not_found', message: error.message }
  if (error instanceof ClickHouseError) return storeError(error)
  if (error.validation) return { status: 400, code: 'bad_request', message: error.message, place: placeOf(error) }
  const status = error.statusCode ?? 500
  return status < 500
    ? { status, code: 'bad_request', message: error.message }
    : { status: 500, code: 'internal', message: 'something went wrong here; the log of the service says what' }
}

function filterError({ message, position, expected }: FilterError): Described {
  return { status: 400, code: 'bad_filter', message, place: 'where', position: position.offset, length: position.length, expected }
}

function storeError(error: ClickHouseError): Described {
  if (tooDear.has(error.type))
    return {
      status: 422,
      code: 'too_expensive',
      message: `the question costs more than is allowed (${error.type}); ask for a shorter range or fewer dimensions`,
    }
  if (error.retriable) return { status: 503, code: 'unavailable', message: `ClickHouse can not answer now: ${describe(error)}` }
  return { status: 500, code: 'internal', message: 'ClickHouse refused the statement; the log of the service says why' }
}

const placeOf = ({ validationContext, validation = [] }: FastifyError) =>
  `${validationContext ?? ''}${validation[0]?.instancePath ?? ''}`.replaceAll('/', '.')
