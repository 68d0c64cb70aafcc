import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises'
import { writeFlow } from './encode.ts'
import type { FlowEvent } from './event.ts'
import { type Plan, beginningOf } from './plan.ts'
import { hashOf, mix } from './random.ts'
import { second } from './story.ts'
import { Traffic } from './traffic.ts'
import { Wire } from './wire.ts'

/** How often new flows are sent, in milliseconds. */
const pulse = 50
/** Flows that are encoded at a time. */
const flowsPerChunk = 200
const chunkBytes = flowsPerChunk * 1100
const secondsKept = 3

export interface Range {
  /** Microseconds; the first flow is not before it. */
  since: number
  /** Microseconds; the last flow is not after it. */
  until: number
  /** Whether to wait for flows that are still to come. */
  follow: boolean
}

/** The flows of the plan as framed GetFlowsResponses, made when they are asked for: nothing is kept but the last seconds. */
export class FlowStream {
  readonly #plan: Plan
  readonly #traffic: Traffic
  readonly #seed: number
  readonly #seconds = new Map<number, FlowEvent[]>()

  constructor(plan: Plan) {
    this.#plan = plan
    this.#traffic = new Traffic(plan)
    this.#seed = hashOf(plan.seed, 'uuid')
  }

  #events(tick: number): FlowEvent[] {
    const known = this.#seconds.get(tick)
    if (known) return known
    const events = this.#traffic.events(tick)
    if (this.#seconds.size >= secondsKept) this.#seconds.delete(this.#seconds.keys().next().value as number)
    this.#seconds.set(tick, events)
    return events
  }

  /**
   * The flows with times in [from, to), which lies within one second; both in microseconds.
   * With a `wire` of the caller's each part holds until the next one is asked for.
   */
  *encode(from: number, to: number, wire?: Wire): Generator<Buffer> {
    const tick = Math.floor(from / second)
    const events = this.#events(tick)
    const uuids = mix(this.#seed, tick)
    const end = firstFrom(events, to)
    for (let at = firstFrom(events, from); at < end; at += flowsPerChunk) {
      const out = wire ?? new Wire(chunkBytes)
      out.reset()
      for (let i = at; i < Math.min(end, at + flowsPerChunk); i++) writeFlow(out, events[i], uuids, i)
      yield out.bytes()
    }
  }

  /** All flows of the range in the order of their times; each part holds until the next one is asked for. `ready` says up to when, in microseconds, flows may be told by now. */
  async *send({ since, until, follow }: Range, ready: () => number, signal: AbortSignal): AsyncGenerator<Buffer> {
    const wire = new Wire(chunkBytes)
    let at = Math.max(since, beginningOf(this.#plan))
    for (;;) {
      const now = Math.min(ready(), until + 1)
      while (at < now && !signal.aborted) {
        const next = Math.min(now, Math.floor(at / second) * second + second)
        yield* this.encode(at, next, wire)
        at = next
        await breathe()
      }
      if (!follow || at > until || signal.aborted) return
      await sleep(pulse - (Date.now() % pulse), undefined, { signal })
    }
  }
}

/** Index of the first event at or after the time. */
function firstFrom(events: FlowEvent[], time: number): number {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (events[middle].time < time) low = middle + 1
    else high = middle
  }
  return low
}
