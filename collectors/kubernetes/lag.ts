import { monitorEventLoopDelay } from 'node:perf_hooks'

const resolutionMs = 10
/** What connections, and a server that is busy itself, take without our noticing. */
const leastMs = 100
const mostMs = 10_000

/** How long word of what the API server says may have been on its way: as long as answers take, and as we were busy with other things. */
export class Lag implements Disposable {
  readonly #busy = monitorEventLoopDelay({ resolution: resolutionMs })
  /** Of this second and those before, so that what was just noticed is in one of them. */
  #seconds = [0, 0, 0]

  constructor() {
    this.#busy.enable()
  }

  /** Milliseconds. */
  get ms(): number {
    const busy = Math.max(0, this.#busy.max / 1e6 - resolutionMs)
    return Math.min(mostMs, leastMs + Math.max(busy, ...this.#seconds))
  }

  /** To be said about each second: how long an answer took, or that there was none for so long. */
  answered(ms: number): void {
    const busy = Math.max(0, this.#busy.max / 1e6 - resolutionMs)
    this.#busy.reset()
    this.#seconds = [Math.max(busy, ms), ...this.#seconds.slice(0, -1)]
  }

  [Symbol.dispose](): void {
    this.#busy.disable()
  }
}
