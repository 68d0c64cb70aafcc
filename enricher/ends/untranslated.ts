import type { Draft } from '../step.ts'
import type { Judgement } from './resolver.ts'

/** Who told of whole connections, to which a service is whom they are with. */
const proxies = new Set(['l4_proxy', 'l7_proxy'])

/** The judgements of an end, which of them is each row's, and what there is among them. */
export interface Judged {
  judgements: Judgement[]
  codes: Uint16Array
  /** Whether some have candidates, others lend attributes, or some are services themselves. */
  isUnsure: boolean
  isLent: boolean
  hasService: boolean
}

export function note(judged: Judged, judgement: Judgement): void {
  judged.judgements.push(judgement)
  judged.isUnsure ||= Boolean(judgement.candidates)
  judged.isLent ||= judgement.lent !== undefined
  judged.hasService ||= isService(judgement)
}

const isService = ({ reason }: Judgement) => reason === 'service'

/**
 * Says of flows whether they were seen before the address of a service became that of its backend, or after the backend's became the
 * service's again: an end is the service itself. They are seen again on the other side of the translation.
 */
export function markUntranslated(draft: Draft, ends: readonly Judged[]): void {
  if (!ends.some(({ hasService }) => hasService)) return
  const services = ends.map(({ judgements }) => judgements.map(judgement => Number(isService(judgement))))
  const layers = draft.labels('layer')
  const isProxy = layers.keys.map(layer => proxies.has(layer))
  const rows = Uint8Array.from({ length: draft.block.rows }, (_, row) =>
    isProxy[layers.codes[row]] ? 0 : services[0][ends[0].codes[row]] | services[1][ends[1].codes[row]],
  )
  draft.setBools('before_translation', rows)
}
