import { openEnd } from '../../schema/object.ts'

/** A version on the topic: microseconds. */
export interface Kept {
  key: string
  object: string
  from: number
  to: number
  /** When it was published, as it is now. */
  told: number
}

/**
 * The keys among the versions of one object that nobody needs who asks for times since the horizon, oldest first: those that had ended by then and
 * were told of before. An object has one version at a time, so one that is open ended where the next began; it must not outlast that next one, or it
 * would be open again. So the keys are those of the oldest versions, and are to be removed in this order.
 */
export function dueOf(versions: readonly Kept[], horizon: number): string[] {
  const sorted = [...versions].sort((a, b) => a.from - b.from)
  const isDue = ({ to, told }: Kept, next: Kept | undefined) => Math.min(to, next?.from ?? openEnd) <= horizon && told <= horizon
  const left = sorted.findIndex((version, at) => !isDue(version, sorted[at + 1]))
  return sorted.slice(0, left < 0 ? sorted.length : left).map(({ key }) => key)
}
