import type { Verdict } from '../judge.ts'
import type { Draft } from '../step.ts'

/** Who told of whole connections, to which a service is whom they are with. */
const proxies = new Set(['l4_proxy', 'l7_proxy'])

/** The verdicts on an end, and which of them is each row's. */
export interface Judged {
  verdicts: readonly Verdict[]
  codes: Uint16Array
}

/**
 * Says of flows whether they were seen before the address of a service became that of its backend, or after the backend's became the
 * service's again: an end is the service itself. They are seen again on the other side of the translation.
 */
export function markUntranslated(draft: Draft, ends: readonly Judged[]): void {
  const services = ends.map(({ verdicts }) => verdicts.map(({ reason }) => Number(reason === 'service')))
  const layers = draft.labels('layer')
  const isProxy = layers.keys.map(layer => proxies.has(layer))
  const rows = new Uint8Array(draft.block.rows)
  for (let row = 0; row < rows.length; row++)
    if (!isProxy[layers.codes[row]]) rows[row] = services[0][ends[0].codes[row]] | services[1][ends[1].codes[row]]
  draft.setNumbers('before_translation', rows)
}
