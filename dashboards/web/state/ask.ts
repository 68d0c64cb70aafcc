import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api.ts'

/** An answer on its way: what is known so far, and whether more is coming. */
export interface Asked<T> {
  value: T | undefined
  error: ApiError | undefined
  loading: boolean
  retry(): void
}

interface Known<T> {
  key: string
  value?: T
  error?: ApiError
  loading: boolean
}

/**
 * Asks when the key changes, and again at each tick. The last answer stays while a refresh is on its way, so nothing flickers; an answer
 * to another question is never shown. A tick that comes before the answer is passed over: a slow server is not asked twice.
 */
export function useAsk<T>(key: string, tick: number, ask: (signal: AbortSignal) => Promise<T>): Asked<T> {
  const [known, setKnown] = useState<Known<T>>({ key, loading: true })
  const latest = useRef(ask)
  latest.current = ask
  const running = useRef<AbortController | undefined>(undefined)
  const start = () => {
    if (running.current) return
    const stop = (running.current = new AbortController())
    const settle = (next: (last: Known<T>) => Known<T>) => {
      if (stop.signal.aborted) return
      running.current = undefined
      setKnown(next)
    }
    setKnown(last => ({ ...last, loading: true }))
    latest.current(stop.signal).then(
      value => settle(() => ({ key, value, loading: false })),
      (error: unknown) =>
        settle(last => ({ key, value: last.key === key ? last.value : undefined, error: asApiError(error), loading: false })),
    )
  }
  useEffect(() => {
    start()
    return () => {
      running.current?.abort()
      running.current = undefined
    }
  }, [key])
  const first = useRef(true)
  useEffect(() => {
    if (!first.current) start()
    first.current = false
  }, [tick])
  const isCurrent = known.key === key
  return {
    value: isCurrent ? known.value : undefined,
    error: isCurrent ? known.error : undefined,
    loading: known.loading || !isCurrent,
    retry: start,
  }
}

const asApiError = (error: unknown) =>
  error instanceof ApiError ? error : new ApiError(error instanceof Error ? error.message : String(error))
