import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from '../../runtime/log.ts'
import { type TlsOptions, authorityOf, connect, parseAddress } from '../address.ts'
import { openChannel } from '../grpc/channel.ts'
import type { SourceContext } from '../source.ts'
import type { Counted } from './counted.ts'
import type { Intake } from './intake.ts'
import { intervalSeconds, streamRequest } from './request.ts'

/** Goldmane tells an interval when it is over and the next one too; nodes may be late for as long again. */
const overlapSeconds = 4 * intervalSeconds
/** What Goldmane keeps. */
const historySeconds = 3600
const steadyMs = 10_000
const firstRetryMs = 250
const lastRetryMs = 15_000
const tellEveryMs = 5_000

export interface FollowOptions {
  address: string
  tls: TlsOptions
  cluster: string
  /** Seconds back to begin when nothing was collected before. */
  history: number
  counted: Counted
  intake: Intake
}

/** Follows Goldmane until the signal is aborted, and opens the stream again whenever it ends. */
export async function follow(options: FollowOptions, context: SourceContext): Promise<void> {
  const { signal, log } = context
  const { address } = options
  let away: string | undefined
  let began: number | undefined
  for (let failures = 0; !signal.aborted; failures++) {
    const started = Date.now()
    try {
      await stream(options, context, began, () => {
        if (away !== undefined || !failures) log.info({ address }, 'following Goldmane')
        away = undefined
        began ??= Math.floor(started / 1000)
      })
      throw new Error('Goldmane ended the stream')
    } catch (error) {
      if (signal.aborted) return
      if (away === undefined)
        log.warn({ address, error }, began === undefined ? 'cannot reach Goldmane yet, trying again' : 'Goldmane went away')
      away = describe(error)
      context.status({ ready: false, reason: away, detail: detailOf(options) })
    }
    if (Date.now() - started > steadyMs) failures = 0
    const delayMs = Math.min(lastRetryMs, firstRetryMs * 2 ** failures) * (0.5 + Math.random())
    await sleep(delayMs, undefined, { signal }).catch(() => {})
  }
}

/** One stream, from where the last one was. `onOpen` is told that Goldmane is there. */
async function stream(options: FollowOptions, context: SourceContext, began: number | undefined, onOpen: () => void): Promise<void> {
  const { address, tls, intake } = options
  const where = parseAddress(address, 'collect.goldmane.address')
  await using channel = await openChannel({ authority: authorityOf(where), connection: await connect(where, tls) })
  onOpen()
  const tell = () => context.status({ ready: true, detail: detailOf(options) })
  tell()
  tellOfGap(options, context)
  const timer = setInterval(tell, tellEveryMs)
  try {
    await channel.stream('/goldmane.Flows/Stream', streamRequest(since(options, began)), context.signal, framing => intake.take(framing))
  } finally {
    clearInterval(timer)
  }
}

/** A little before the newest interval that is known; else where we began, else as far back as is wanted. */
const since = ({ counted, history }: FollowOptions, began: number | undefined) =>
  counted.newest ? counted.newest - overlapSeconds : history ? -history : began

/** What is older than Goldmane's memory cannot be asked for any more. */
function tellOfGap({ counted, cluster }: FollowOptions, { outbox }: SourceContext): void {
  const now = Date.now() / 1000
  const until = Math.floor(now - historySeconds)
  const from = counted.newest + intervalSeconds
  if (!counted.newest || from >= until) return
  outbox.block('loss').add({
    time: now * 1e6,
    received: now * 1e6,
    source: 'goldmane',
    reporter: 'goldmane',
    cluster,
    stage: 'agent',
    reason: 'history_exceeded',
    known: false,
    since: from * 1e6,
    until: until * 1e6,
    detail: `Goldmane keeps ${historySeconds} s`,
  })
  counted.newest = until
}

const detailOf = ({ address, counted, intake }: FollowOptions) => ({
  address,
  flows: intake.flows,
  last: counted.newest ? new Date(counted.newest * 1000).toISOString() : undefined,
  lag_seconds: counted.newest ? Math.max(0, Math.round(Date.now() / 1000 - counted.newest)) : undefined,
})
