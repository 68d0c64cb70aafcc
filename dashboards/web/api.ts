import type { Answer, Question } from '../question.ts'
import type { Range } from './state/range.ts'

/** What the server said was wrong; `position` is where in the filter. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly code: string
  readonly position: number | undefined
  readonly expected: readonly string[]

  constructor(
    message: string,
    { code = 'unknown', position, expected = [] }: { code?: string; position?: number; expected?: readonly string[] } = {},
  ) {
    super(message)
    this.code = code
    this.position = position
    this.expected = expected
  }
}

const base = 'api/v1/'

/** The answer to a request, or an ApiError in the server's words. */
async function ask<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(base + path, init).catch((error: unknown) => {
    if (init.signal?.aborted) throw error
    throw new ApiError('The server cannot be reached.', { code: 'unreachable' })
  })
  const body: unknown = await response.json().catch(() => undefined)
  if (!response.ok) throw errorOf(body, response)
  return body as T
}

function errorOf(body: unknown, response: Response): ApiError {
  const error = (body as { error?: { code?: string; message?: string; position?: number; expected?: string[] } } | undefined)?.error
  return new ApiError(error?.message ?? `The server answered ${response.status} ${response.statusText}.`, error)
}

const get = <T>(path: string, parameters: Readonly<Record<string, string | number | undefined>>, signal?: AbortSignal) => {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined && value !== '') query.set(name, String(value))
  return ask<T>(query.size ? `${path}?${query}` : path, { signal })
}

/** Asks a question about a time range. */
export const query = (question: Question, range: Range, signal?: AbortSignal) =>
  ask<Answer>('query', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...range, ...question }),
    signal,
  })

export const fetchJson = get
