import { useEffect, useState } from 'preact/hooks'
import { ApiError, query } from '../api.ts'
import { useApp } from './context.ts'
import type { ShownKind, State } from './url.ts'

/** Kinds of record the filter of a page may be about. */
export function filterKinds({ page, kind }: State): ShownKind[] {
  if (page === 'flows') return [kind]
  return page === 'denials' ? ['flow'] : ['flow', 'request']
}

/** What is wrong with the filter in the address, in the server's words; nothing when it can be asked of some kind the page shows. */
export function useFilterError(): ApiError | undefined {
  const { state } = useApp()
  const { where } = state
  const kinds = filterKinds(state)
  const [error, setError] = useState<ApiError>()
  useEffect(() => {
    setError(undefined)
    if (!where) return
    const stop = new AbortController()
    const mistakeOf = (kind: ShownKind) =>
      query({ kind, metrics: ['records'], where }, { from: 'now-1s', to: 'now' }, stop.signal).then(
        () => undefined,
        (reason: unknown) => (reason instanceof ApiError && reason.position !== undefined ? reason : undefined),
      )
    void Promise.all(kinds.map(mistakeOf)).then(mistakes => {
      if (!stop.signal.aborted && mistakes.every(Boolean)) setError(mistakes[0])
    })
    return () => stop.abort()
  }, [where, kinds.join()])
  return error
}
