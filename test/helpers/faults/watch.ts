import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type TestWeir, ask } from '../weir.ts'

/** The value of a metric of weir, all its series that have these labels added up; 0 when there is none. */
export async function metric({ url }: TestWeir, name: string, ...labels: string[]): Promise<number> {
  const text = await (await ask(`${url}/metrics`)).text()
  const lines = text.split('\n').filter(line => line.startsWith(`${name}{`) && labels.every(label => line.includes(label)))
  return lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
}

/** What weir says about itself on /readyz. */
export async function reasons({ url }: TestWeir): Promise<string[]> {
  const response = await ask(`${url}/readyz`)
  return ((await response.json()) as { reasons: string[] }).reasons
}

/** Looks now and then how much memory the collector and the enricher have, until it is disposed of. */
export function watchMemory(weir: TestWeir): { mostMegabytes(): Record<string, number> } & AsyncDisposable {
  const most: Record<string, number> = {}
  const ended = new AbortController()
  const watching = (async () => {
    while (!ended.signal.aborted) {
      for (const name of ['collect', 'enrich'] as const) {
        const pid = weir.pidOf(name)
        const status = pid && (await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))
        const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(status || '')?.[1] ?? 0)
        most[name] = Math.max(most[name] ?? 0, Math.round(kilobytes / 1024))
      }
      await sleep(500, undefined, { signal: ended.signal }).catch(() => {})
    }
  })()
  return {
    mostMegabytes: () => most,
    async [Symbol.asyncDispose]() {
      ended.abort()
      await watching
    },
  }
}
