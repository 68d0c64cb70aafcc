import { type ObjectVersion, objectKey, openEnd } from '../../../schema/object.ts'

const hour = 3600e6
const pods = 200
/** After all that is told here is published, so that it was told of before. */
export const horizon = Math.floor(Date.now() / 3_600_000) * hour + 24 * hour
export const lastHour = horizon + 10 * hour

/** Pods at 200 addresses, each in ten versions of which some begin after the horizon; every third leaves ends to the next that begins. */
export function churned(): ObjectVersion[] {
  return Array.from({ length: pods * 10 }, (_, i) => {
    const [n, at] = [i % pods, Math.floor(i / pods)]
    const from = horizon + (at - 7) * hour + n * 1e6
    const isOpen = at === 9 || n % 3 === 0
    return {
      source: 'kubernetes',
      cluster: 'east',
      kind: 'pod',
      namespace: 'shop',
      name: `pod-${n}-${at}`,
      uid: `pod-${n}`,
      addresses: [`10.0.0.${n}`],
      time: from,
      valid_from: from,
      valid_to: isOpen ? openEnd : from + hour,
    }
  })
}

/** Keys of what is to be there in the end. */
export function left(): string[] {
  return churned()
    .filter(({ valid_from = 0 }) => valid_from + hour > horizon)
    .map(objectKey)
    .sort()
}
