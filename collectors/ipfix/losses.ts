import type { Outbox } from '../outbox.ts'
import type { Gap } from './sequence.ts'
import type { Protocol, Session } from './session.ts'

const maxWaiting = 10_000

export interface Loss {
  source: Protocol
  reporter: string
  stage: 'agent' | 'network' | 'collector'
  reason: string
  count: number
  /** Whether `count` is of records; else it is of datagrams or sets with nobody knows how many. */
  known: boolean
  since?: number
  until?: number
  detail?: string
}

/** Writes down what was not seen. */
export class Losses {
  readonly #cluster: string
  #waiting: (Loss & { time: number })[] = []

  constructor(cluster: string) {
    this.#cluster = cluster
  }

  /** Records, or datagrams, that the sequence numbers of a session passed over. */
  gap(session: Session, { count, since, until }: Gap, of: 'records' | 'datagrams'): void {
    this.add({
      source: session.protocol,
      reporter: session.reporter,
      stage: 'network',
      reason: 'sequence_gap',
      count,
      known: of === 'records',
      since: since * 1000,
      until: until * 1000,
      detail: of === 'datagrams' ? `${count} datagrams, with nobody knows how many records` : undefined,
    })
  }

  /** What the exporter says it did not send, or did not look at. */
  byAgent(session: Session, reason: string, count: number): void {
    this.add({ source: session.protocol, reporter: session.reporter, stage: 'agent', reason, count, known: true })
  }

  /** Data that was given up, as its template did not come. */
  withoutTemplate(session: Session, count: number): void {
    this.add({
      source: session.protocol,
      reporter: session.reporter,
      stage: 'collector',
      reason: 'no_template',
      count,
      known: false,
      detail: `${count} sets of data whose template did not come`,
    })
  }

  add(loss: Loss): void {
    if (loss.count > 0 && this.#waiting.length < maxWaiting) this.#waiting.push({ ...loss, time: Date.now() * 1000 })
  }

  get any(): boolean {
    return this.#waiting.length > 0
  }

  async write(outbox: Outbox): Promise<void> {
    while (this.#waiting.length) {
      const block = outbox.block('loss')
      if (block.full) await outbox.ready()
      else this.#writeOne(block)
    }
  }

  #writeOne(block: ReturnType<Outbox['block']>): void {
    const loss = this.#waiting.shift()
    if (!loss) return
    const { time } = loss
    block.add({ since: time, until: time, ...loss, received: time, cluster: this.#cluster })
  }
}
