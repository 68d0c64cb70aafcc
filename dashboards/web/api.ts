import type { Completion } from '../../query-api/filter/complete.ts'
import type { DenialsAnswer } from '../../query-api/denials.ts'
import type { DriftAnswer } from '../../query-api/drift.ts'
import type { Quality } from '../../query-api/quality.ts'
import type { RelatedAnswer } from '../../query-api/related.ts'
import type { SignalsAnswer } from '../../query-api/signals.ts'
import type { Topology } from '../../query-api/topology.ts'
import type { Catalog } from '../../schema/catalog.ts'
import type { Answer, Question, Value } from '../question.ts'
import type { Range } from './state/range.ts'

interface Said {
  code?: string
  message?: string
  position?: number
  length?: number
  expected?: readonly string[]
}

/** What the server said was wrong; `position` and `length` are where in the filter. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly code: string
  readonly position: number | undefined
  readonly length: number
  readonly expected: readonly string[]

  constructor(message: string, { code = 'unknown', position, length = 0, expected = [] }: Said = {}) {
    super(message)
    this.code = code
    this.position = position
    this.length = length
    this.expected = expected
  }
}

const base = 'api/v1/'

/** The answer to a request, or an ApiError in the server's words. */
async function ask<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(base + path, init).catch((error: unknown) => {
    if (init.signal?.aborted) throw error
    throw new ApiError('The server cannot be reached. It may be restarting.', { code: 'unreachable' })
  })
  const body: unknown = await response.json().catch(() => undefined)
  if (!response.ok) throw errorOf(body, response)
  return body as T
}

function errorOf(body: unknown, response: Response): ApiError {
  const said = (body as { error?: Said } | undefined)?.error
  return new ApiError(said?.message ?? `The server answered ${response.status} ${response.statusText}.`, said)
}

type Parameters = Readonly<Record<string, string | number | undefined>>

/** A path with what is given of its parameters. */
export function addressOf(path: string, parameters: Parameters): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined && value !== '') query.set(name, String(value))
  return query.size ? `${path}?${query}` : path
}

const get = <T>(path: string, parameters: Parameters, signal?: AbortSignal) => ask<T>(addressOf(path, parameters), { signal })

/** Asks a question about a time range. */
export const query = ({ where, ...question }: Question, range: Range, signal?: AbortSignal) =>
  ask<Answer>('query', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ from: range.from, to: range.to, ...question, ...(where ? { where } : {}) }),
    signal,
  })

let known: Promise<Catalog> | undefined

/** Every kind, dimension and metric; asked for once. */
export function catalog(): Promise<Catalog> {
  known ??= get<Catalog>('catalog', {}).catch((error: unknown) => {
    known = undefined
    throw error
  })
  return known
}

/** What may stand at a position of a filter. */
export const completeFilter = (asked: { kind: string; where: string; position: number }, signal?: AbortSignal) =>
  get<Completion>('complete', asked, signal)

/** A record as the API writes it. */
export type Row = Readonly<Record<string, Value>>

export interface Page {
  rows: readonly Row[]
  next?: string | null
}

/** Records, the newest first. */
export const records = (kind: string, parameters: Parameters, signal?: AbortSignal) => get<Page>(`records/${kind}`, parameters, signal)

/** A record and what else speaks of the same exchange. */
export const related = (kind: string, id: string, time: string, signal?: AbortSignal) =>
  get<RelatedAnswer>(`records/${kind}/${encodeURIComponent(id)}/related`, { time }, signal)

/** Where records come from as they are seen. */
export const liveAddress = (parameters: Parameters) => base + addressOf('live', parameters)

/** How good the data are. */
export const quality = (range: Range, signal?: AbortSignal) => get<Quality>('quality', { ...range }, signal)

/** Who calls whom. */
export const topology = (asked: Range & { level: string; where: string }, signal?: AbortSignal) =>
  get<Topology>('topology', { ...asked }, signal)

/** Golden signals of everything that is called. */
export const signals = (asked: Range & { by: string; where: string }, signal?: AbortSignal) =>
  get<SignalsAnswer>('signals', { ...asked, limit: 500 }, signal)

/** What policies denied. */
export const denials = (asked: Range & { where: string }, signal?: AbortSignal) =>
  get<DenialsAnswer>('denials', { ...asked, limit: 500 }, signal)

/** Identities that are not what they should be. */
export const drift = (asked: Range & { where: string }, signal?: AbortSignal) => get<DriftAnswer>('drift', { ...asked, limit: 500 }, signal)
