import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api.ts'

/** An answer on its way: what is known so far, and whether more is coming. */
export interface Asked<T> {
  value: T | undefined
  error: ApiError | undefined
  loading: boolean
  retry(): void
}

/**
 * Asks again whenever the key or the tick changes. The last answer stays while a refresh is on its way,
 * so nothing flickers; an answer to another question is never shown.
 */
export function useAsk<T>(key: string, tick: number, ask: (signal: AbortSignal) => Promise<T>): Asked<T> {
  const [state, setState] = useState<{ key: string; value?: T; error?: ApiError; loading: boolean }>({ key, loading: true })
  const [attempt, setAttempt] = useState(0)
  const latest = useRef(ask)
  latest.current = ask
  useEffect(() => {
    const stop = new AbortController()
    setState(last => ({ ...last, loading: true }))
    latest
      .current(stop.signal)
      .then(value => setState({ key, value, loading: false }))
      .catch((error: unknown) => {
        if (!stop.signal.aborted)
          setState(last => ({ key, value: last.key === key ? last.value : undefined, error: asApiError(error), loading: false }))
      })
    return () => stop.abort()
  }, [key, tick, attempt])
  const current = state.key === key
  return {
    value: current ? state.value : undefined,
    error: current ? state.error : undefined,
    loading: state.loading || !current,
    retry: () => setAttempt(attempt + 1),
  }
}

const asApiError = (error: unknown) =>
  error instanceof ApiError ? error : new ApiError(error instanceof Error ? error.message : String(error))
