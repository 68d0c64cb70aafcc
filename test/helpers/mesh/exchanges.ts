import { Random } from '../../../collectors/demo/random.ts'

/** What became of one attempt of a proxy to have a request answered. `unreached`: no server got it; `denied`: a policy at the server did. */
export type Outcome = 'answered' | 'failed' | 'unreached' | 'denied'

/** One thing a client wants of a server, over a connection of its own. */
export interface Exchange {
  number: number
  /** When it ended at the client, microseconds. */
  time: number
  protocol: 'http' | 'tcp'
  clientPort: number
  serverPort: number
  requestBytes: number
  responseBytes: number
  /** Packets each way. */
  packets: readonly [there: number, back: number]
  /** Nanoseconds. */
  latency: number
  /** The last is what the client was told. */
  attempts: readonly Outcome[]
  ipVersion: 4 | 6
}

export interface ExchangesOptions {
  seed: number
  /** Beginning of the minutes, microseconds. */
  from: number
  minutes: number
  /** In each minute, the first and the last of them at its very edge. */
  perMinute: number
  protocol?: Exchange['protocol']
  serverPort?: number
  /** What else than `answered` comes about. */
  outcomes?: readonly (readonly Outcome[])[]
  dualStack?: boolean
}

/** The same exchanges for the same seed. */
export function exchanges(options: ExchangesOptions): Exchange[] {
  const { seed, from, minutes, perMinute, protocol = 'http', outcomes = [], dualStack = false } = options
  const { serverPort = protocol === 'http' ? 8080 : 5432 } = options
  const random = new Random(seed, serverPort)
  return Array.from({ length: minutes * perMinute }, (_, number) => {
    const second = [0.001, 59.9995][number % perMinute] ?? 1 + (random.next() % 57_000_000) / 1e6
    const rare = outcomes[Math.floor(number / 3) % outcomes.length]
    return {
      number,
      time: from + Math.floor(number / perMinute) * 60e6 + Math.round(second * 1e6),
      protocol,
      clientPort: 20_000 + number,
      serverPort,
      requestBytes: 100 + (random.next() % 900),
      responseBytes: 1000 + (random.next() % 9000),
      packets: [3, 4],
      latency: (1 + (random.next() % 50)) * 1e6,
      attempts: rare && number % 3 === 2 ? rare : ['answered'],
      ipVersion: dualStack && number % 2 ? 6 : 4,
    }
  })
}

/** Attempts that a server, or the proxy before it, got. */
export const reached = (exchange: Exchange) => exchange.attempts.filter(outcome => outcome !== 'unreached')
export const isDenied = ({ attempts }: Exchange) => attempts.at(-1) === 'denied'
export const isUnreached = ({ attempts }: Exchange) => attempts.every(outcome => outcome === 'unreached')
