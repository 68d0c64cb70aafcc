import type { Database } from './database.ts'

/** Tells those who wait that something was written, by this process or another one. */
export interface Wake {
  /** Resolves at the next write seen after `since`, after `waitMs`, or when `signal` is aborted. */
  changed(since: number, waitMs: number, signal?: AbortSignal): Promise<void>
  /** Take it before looking for something, so that no write between looking and waiting is missed. */
  version(): number
  /** Makes all who wait look again. */
  now(): void
  close(): void
}

/** Looks every `pollMs`, and only while somebody waits. */
export function openWake(database: Database, pollMs: number): Wake {
  const waiting = new Set<{ since: number; wake(): void }>()
  let timer: NodeJS.Timeout | undefined
  const poll = () => {
    const version = database.version()
    for (const waiter of waiting) if (waiter.since !== version) waiter.wake()
  }
  const stop = () => {
    clearInterval(timer)
    timer = undefined
  }
  const now = () => {
    for (const { wake } of waiting) wake()
  }
  database.onWrite(() => waiting.size && poll())
  return {
    version: () => database.version(),
    changed: (since, waitMs, signal) =>
      new Promise(resolve => {
        const wake = () => {
          waiting.delete(waiter)
          clearTimeout(timeout)
          signal?.removeEventListener('abort', wake)
          if (!waiting.size) stop()
          resolve()
        }
        const waiter = { since, wake }
        const timeout = setTimeout(wake, waitMs)
        waiting.add(waiter)
        timer ??= setInterval(poll, pollMs)
        signal?.addEventListener('abort', wake, { once: true })
        if (signal?.aborted) wake()
      }),
    now,
    close: now,
  }
}
