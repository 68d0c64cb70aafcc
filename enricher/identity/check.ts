import { type IdentityFacts, nameOf } from './facts.ts'
import { readSpiffeId } from './spiffe-id.ts'
import { type Candidate, type IdentityCheck, type Standing, stateOf } from './standing.ts'
import type { Stretch } from './stretch.ts'

export interface Verdict {
  check: IdentityCheck
  /** What would have been right, where it was not. */
  expected: string
}

/** So long after a pod began its entry may not be known here: it is read every few seconds, and made after the pod. */
const settlingMicros = 60e6
const mostExpected = 8
const fine: Verdict = { check: '', expected: '' }
const agrees: Verdict = { check: 'agrees', expected: '' }

/** Checks what certificates show against what pods may have, by all that is known. */
export function checkBy(facts: IdentityFacts) {
  /** What is to be said of an SPIFFE ID that the certificate of a pod showed. `standing` is the pod's, where it is known which that is. */
  function check(shown: string, cluster: string, standing: Standing | undefined, time: number, stretch: Stretch): Verdict {
    const id = readSpiffeId(shown)
    if (!id) return fine
    if (standing) stretch.narrow(standing.stretch)
    const candidates = standing?.candidates ?? []
    const ofSpire = candidates.filter(({ id, source }) => id === shown && (source === 'spire' || source === 'object'))
    if (ofSpire.some(({ state }) => state === 'valid')) return agrees
    if (!trusts(cluster, id.trustDomain, time, stretch)) return { check: 'unknown_trust_domain', expected: expectedOf(candidates) }
    const elsewhere = statesOf(cluster, shown, time, stretch)
    const ended = [...ofSpire.map(({ state }) => state), ...(elsewhere.includes('valid') ? [] : elsewhere)]
    if (ended.length) return { check: ended.includes('revoked') ? 'revoked' : 'expired', expected: expectedOf(candidates) }
    const allowed = candidates.filter(({ state }) => state === 'valid')
    if (allowed.some(candidate => isSame(candidate, shown, id.path))) return agrees
    if (standing?.relays || standing?.unsure) return fine
    if (allowed.length) return { check: 'differs', expected: expectedOf(allowed) }
    return standing?.known && elsewhere.length ? othersId(standing, time, stretch) : fine
  }

  /** How entries of SPIRE with a SPIFFE ID stand, whomever they are for. */
  function statesOf(cluster: string, id: string, time: number, stretch: Stretch): Candidate['state'][] {
    return facts.entries.named(nameOf(cluster, 'id', id)).flatMap(version => stateOf(version, time, stretch) ?? [])
  }

  /** Whether a trust domain is ours or one ours is federated with; so it is where it is not known which is ours. */
  function trusts(cluster: string, name: string, time: number, stretch: Stretch): boolean {
    const domains = facts.domainsOf(cluster, time, stretch)
    const configured = facts.trustDomains(cluster)
    const knowsOurs = configured.length > 0 || domains.some(({ own }) => own)
    return !knowsOurs || configured.includes(name) || domains.some(domain => domain.name === name)
  }

  return check
}

function isSame({ id, anyDomain }: Candidate, shown: string, path: string): boolean {
  return id === shown || (anyDomain === true && readSpiffeId(id)?.path === path)
}

/** A pod without an entry that shows what belongs to others. Of a young one the entry may not be known yet. */
function othersId({ since }: Standing, time: number, stretch: Stretch): Verdict {
  return stretch.within(time, since + settlingMicros, Infinity) ? { check: 'differs', expected: '' } : fine
}

const expectedOf = (candidates: readonly Candidate[]) =>
  [...new Set(candidates.filter(({ state }) => state === 'valid').map(({ id }) => id))].slice(0, mostExpected).join(',')
