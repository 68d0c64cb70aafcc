import type { Session } from './session.ts'

/** Rows that are written at once at the most. */
export const maxRun = 256

/** What all records of a datagram share. */
export interface Message {
  session: Session
  /** When it came, microseconds. */
  received: number
  /** When it was sent, by the exporter's clock, microseconds. */
  exported: number
  /** Milliseconds the exporter was up when it was sent; NaN where the protocol does not say. */
  uptime: number
}

/** What records that are written together have in common besides their message. */
export interface RunOptions {
  cluster: string
  /** Which way they went, where it is known. */
  isReply: 'yes' | 'no' | 'unknown'
  /** Whether they tell ICMP type and code by elements of their own. */
  hasIcmp: boolean
}

/** Records that are being written as rows, and what is known of them besides their columns. */
export class Run {
  message!: Message
  /** The row of the first one. */
  first = 0
  hasIcmp = false
  /** Of each: microseconds, 0 for none. */
  readonly start = new Float64Array(maxRun)
  readonly end = new Float64Array(maxRun)
  readonly duration = new Float64Array(maxRun)
  /** Milliseconds since 1970 from which the uptime of the record counts, 0 when nobody says. */
  readonly booted = new Float64Array(maxRun)
  readonly protocol = new Uint8Array(maxRun)

  begin(message: Message, count: number, { first, hasIcmp }: { first: number; hasIcmp: boolean }): void {
    this.message = message
    this.first = first
    this.hasIcmp = hasIcmp
    const { systemInit } = message.session
    for (let i = 0; i < count; i++) {
      this.start[i] = this.end[i] = this.duration[i] = this.protocol[i] = 0
      this.booted[i] = systemInit
    }
  }

  /** When a record ended, in microseconds: that of the export when it does not say. */
  endOf(i: number): number {
    return this.end[i] || (this.start[i] && this.duration[i] && this.start[i] + this.duration[i]) || this.message.exported
  }

  /** How long it lasted, in microseconds, 0 when nobody says. */
  lengthOf(i: number): number {
    return this.duration[i] || (this.start[i] && this.end[i] > this.start[i] ? this.end[i] - this.start[i] : 0)
  }

  /** The time of an uptime in milliseconds. They begin again after 49.7 days: the one that is nearest to the export is meant. */
  ofUptime(value: number, i: number): number {
    const { uptime, exported } = this.message
    if (!Number.isNaN(uptime)) return exported + ((value - uptime) | 0) * 1000
    return this.booted[i] && exported + ((this.booted[i] + value - Math.floor(exported / 1000)) | 0) * 1000
  }
}
