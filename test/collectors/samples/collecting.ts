import { openPublisher } from '../../../collectors/publisher.ts'
import { openSamples } from '../../../collectors/samples/intake.ts'
import type { SamplesOptions } from '../../../collectors/samples/options.ts'
import type { Point, PointTaker, Target } from '../../../collectors/samples/point.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { quietLog } from '../../helpers/clickhouse.ts'

export const target: Target = { reporter: 'proxy', cluster: 'one' }

export interface Collecting extends AsyncDisposable {
  taker: PointTaker
  discarded: Map<string, number>
  take(points: readonly Point[], of?: Target): Promise<void>
  /** Ends without publishing what is not yet published. */
  kill(): Promise<void>
  flush(): Promise<void>
}

export interface CollectingOptions extends SamplesOptions {
  collector?: string
  rowsPerBlock?: number
  now?: () => number
}

/** What a source of metrics has: an outbox over a bus, and who takes its points. */
export async function startCollecting(bus: Bus, options: CollectingOptions = {}): Promise<Collecting> {
  const { collector = 'test', rowsPerBlock, ...limits } = options
  const discarded = new Map<string, number>()
  const instruments = {
    received: () => {},
    sent: () => {},
    discarded: (count: number, reason: string) => void discarded.set(reason, (discarded.get(reason) ?? 0) + count),
  }
  const dead = new AbortController()
  const outbox = openPublisher({ bus, collector, log: quietLog, instruments, signal: dead.signal, flushWithinMs: 0, rowsPerBlock })
  const taker = await openSamples({ outbox, source: 'test', instruments, ...limits })
  return {
    taker,
    discarded,
    async take(points, of = target) {
      for (const point of points) taker.take(point, of)
      await taker.ready()
    },
    async kill() {
      dead.abort(new Error('killed'))
      await outbox[Symbol.asyncDispose]()
    },
    flush: () => outbox.flush(),
    [Symbol.asyncDispose]: () => outbox[Symbol.asyncDispose](),
  }
}
