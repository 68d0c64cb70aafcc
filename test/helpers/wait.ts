import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves to the first answer that holds, or rejects with what was awaited. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 60_000, everyMs = 50 } = {},
): Promise<T> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`)
    await sleep(everyMs)
  }
}
