import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError } from '../../runtime/error.ts'
import { runService, untilAborted } from '../../runtime/service.ts'

/** A service that does what its first argument says, for tests that need one in a process of its own. */
const [what, healthPort] = process.argv.slice(2)

const deeds: Record<string, (signal: AbortSignal) => Promise<void>> = {
  waits: untilAborted,
  stops: async () => {},
  aborts: signal => sleep(60_000, undefined, { signal }),
  fails: () => Promise.reject(new Error('it broke', { cause: new Error('really') })),
  misconfigured: () => Promise.reject(new ConfigError('a.b: expected c, got "d"')),
  crashes: async () => {
    setTimeout(() => {
      throw new Error('out of nothing')
    }, 10)
    await sleep(60_000)
  },
  rejects: async () => {
    void Promise.reject(new Error('unseen'))
    await sleep(60_000)
  },
}

await runService(
  'test',
  { healthPort: healthPort === undefined ? undefined : Number(healthPort), supervised: process.env.SUPERVISED === 'yes' },
  async ({ signal, status, statuses }) => {
    status('work', { ready: what !== 'blocked', reason: what === 'blocked' ? 'the disk is full' : undefined, detail: { what } })
    console.log('started', Object.keys(statuses()).join())
    await (deeds[what] ?? untilAborted)(signal)
  },
)
