import { useEffect, useState } from 'preact/hooks'
import { type ApiError, query } from '../api.ts'
import { useApp } from './context.ts'

/** What is wrong with the filter in the address, in the server's words; nothing when it can be asked. */
export function useFilterError(): ApiError | undefined {
  const { state } = useApp()
  const { where, kind } = state
  const [error, setError] = useState<ApiError>()
  useEffect(() => {
    setError(undefined)
    if (!where) return
    const stop = new AbortController()
    query({ kind, metrics: ['records'], where }, { from: 'now-1s', to: 'now' }, stop.signal).catch((reason: ApiError) => {
      if (!stop.signal.aborted && reason.position !== undefined) setError(reason)
    })
    return () => stop.abort()
  }, [where, kind])
  return error
}
