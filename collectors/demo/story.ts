/** What happens when: the moments are a function of the anchor, a whole second that the plan fixes once. All times are microseconds. */

export const second = 1_000_000
export const minute = 60 * second
export const hour = 60 * minute

/** The story repeats each 20 minutes, before the anchor too. */
export const chapterLength = 20 * minute

const deployAt = minute
const rolledBackAt = 7 * minute
const deniedAt = 10 * minute
const allowedAgainAt = 14 * minute
/** One replica of checkout is replaced after another. */
export const replicaEvery = 9 * second

export const chapterOf = (anchor: number, time: number) => Math.floor((time - anchor) / chapterLength)

export interface Chapter {
  number: number
  /** checkout v2 rolls out, and is rolled back. */
  deploy: number
  rollback: number
  /** payments/restrict-fraud is applied, and deleted. */
  deny: number
  allow: number
}

export function chapter(anchor: number, number: number): Chapter {
  const start = anchor + number * chapterLength
  return {
    number,
    deploy: start + deployAt,
    rollback: start + rolledBackAt,
    deny: start + deniedAt,
    allow: start + allowedAgainAt,
  }
}

/** The chapters that touch [from, to). */
export function chapters(anchor: number, from: number, to: number): Chapter[] {
  const first = chapterOf(anchor, from)
  const last = chapterOf(anchor, to)
  return Array.from({ length: last - first + 1 }, (_, i) => chapter(anchor, first + i))
}

/** Whether payments/restrict-fraud denies checkout at that time. */
export function isFraudRestricted(anchor: number, time: number): boolean {
  const { deny, allow } = chapter(anchor, chapterOf(anchor, time))
  return time >= deny && time < allow
}

const wave = (time: number, period: number) => Math.sin((2 * Math.PI * (time % period)) / period)

/** How busy the shop is: about 1, more by day (UTC) than by night, with waves of some minutes. */
export function load(time: number): number {
  return 1 + 0.22 * wave(time - 8 * hour, 24 * hour) + 0.1 * wave(time, 11 * minute) + 0.05 * wave(time, 90 * second)
}
