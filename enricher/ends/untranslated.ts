import type { Labels } from '../../runtime/block/block.ts'
import type { Draft } from '../step.ts'
import type { Judgement } from './resolver.ts'

/** Who told of whole connections, to which a service is whom they are with. */
const proxies = new Set(['l4_proxy', 'l7_proxy'])

/** The judgements of an end, and which of them is each row's. */
export interface Judged {
  judgements: readonly Judgement[]
  codes: Labels['codes']
}

/**
 * Says of flows whether they were seen before the address of a service became that of its backend, or after the backend's became the
 * service's again: an end is the service itself. They are seen again on the other side of the translation.
 */
export function markUntranslated(draft: Draft, ends: readonly Judged[]): void {
  const services = ends.map(({ judgements }) => Uint8Array.from(judgements, ({ reason }) => Number(reason === 'service')))
  if (!services.some(each => each.includes(1))) return
  const layers = draft.labels('layer')
  const isProxy = layers.keys.map(layer => proxies.has(layer))
  const rows = Uint8Array.from({ length: draft.block.rows }, (_, row) =>
    isProxy[layers.codes[row]] ? 0 : services[0][ends[0].codes[row]] | services[1][ends[1].codes[row]],
  )
  draft.setBools('before_translation', rows)
}
