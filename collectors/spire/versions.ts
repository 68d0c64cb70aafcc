import { X509Certificate, createHash } from 'node:crypto'
import type { ObjectVersion } from '../../schema/object.ts'
import type { Bundle, Entry, Relationship, Snapshot, SpiffeId } from './server.ts'

/** An object as it is now, not yet with the times at which it was so. */
export interface Seen {
  version: ObjectVersion & { kind: 'identity' | 'trust_domain'; uid: string }
  /** Since when, microseconds, where the server knows. */
  since?: number
}

const mostParts = 512
const longestText = 4096

/** The entries and trust domains of a snapshot; `overLimit` and `unreadable` count those that are left out. */
export function readSnapshot({ own, federated, relationships, entries }: Snapshot, cluster: string) {
  const readable = entries.filter(({ id, spiffe_id }) => id && spiffe_id?.trust_domain)
  const kept = readable.filter(isWithinLimits)
  const seen: Seen[] = [...domainsOf(own, federated, relationships), ...kept.map(entryOf)]
  for (const { version } of seen) Object.assign(version, { source: 'spire', cluster })
  return { seen, unreadable: entries.length - readable.length, overLimit: readable.length - kept.length }
}

const isWithinLimits = ({ id, selectors, dns_names, federates_with, hint }: Entry) =>
  [selectors, dns_names, federates_with].every(({ length }) => length <= mostParts) &&
  [id, hint, ...selectors.map(({ value }) => value), ...dns_names].every(({ length }) => length <= longestText)

const textOf = (id: SpiffeId | null) => (id ? `spiffe://${id.trust_domain}${id.path}` : '')

/**
 * An entry as an object. `spec` has what no field is for: {parent, node, revision, ttl, expires_at, federates_with, dns_names, hint, admin,
 * downstream}, times in seconds; `node` says that it names nodes and not workloads.
 */
function entryOf(entry: Entry): Seen {
  const { id, spiffe_id, parent_id, selectors, created_at, revision_number, x509_svid_ttl } = entry
  const { expires_at, federates_with, dns_names, hint, admin, downstream } = entry
  const texts = selectors.map(({ type, value }) => `${type}:${value}`).sort()
  const valueOf = (selector: string) => texts.find(text => text.startsWith(selector))?.slice(selector.length) ?? ''
  const node = parent_id?.path === '/spire/server' || selectors.some(({ type }) => type === 'spiffe_id')
  const spec = { parent: textOf(parent_id), node, revision: revision_number, ttl: x509_svid_ttl, expires_at, federates_with, dns_names }
  return {
    since: created_at > 0 ? created_at * 1e6 : undefined,
    version: {
      kind: 'identity',
      uid: id,
      name: spiffe_id!.path || textOf(spiffe_id),
      namespace: valueOf('k8s:ns:'),
      service_account: valueOf('k8s:sa:'),
      spiffe_id: textOf(spiffe_id),
      labels: texts,
      spec: JSON.stringify({ ...spec, hint, admin, downstream }),
    },
  }
}

/** Our own trust domain and those it is federated with: by their bundles, by relationships, or both. */
function domainsOf(own: Bundle, federated: readonly Bundle[], relationships: readonly Relationship[]): Seen[] {
  const names = new Set([...federated, ...relationships].map(({ trust_domain }) => trust_domain))
  names.delete(own.trust_domain)
  const foreign = [...names].map(name => {
    const bundle = federated.find(({ trust_domain }) => trust_domain === name)
    const relationship = relationships.find(({ trust_domain }) => trust_domain === name)
    return domainOf(name, own.trust_domain, {
      bundle: bundle && authoritiesOf(bundle),
      federation: relationship && endpointOf(relationship),
    })
  })
  return [domainOf(own.trust_domain, own.trust_domain, { bundle: authoritiesOf(own) }), ...foreign]
}

/** `spec` is {own, bundle, federation}: `own` tells our trust domain from those it trusts. */
const domainOf = (name: string, own: string, spec: object): Seen => ({
  version: { kind: 'trust_domain', uid: `${own}/${name}`, name, spec: JSON.stringify({ own: name === own, ...spec }) },
})

const endpointOf = ({ bundle_endpoint_url, bundle_endpoint_profile }: Relationship) => ({
  url: bundle_endpoint_url,
  profile: bundle_endpoint_profile,
})

function authoritiesOf({ sequence_number, refresh_hint, x509_authorities }: Bundle) {
  const authorities = x509_authorities.map(({ asn1, tainted }) => ({ ...certificateOf(asn1), tainted }))
  return { sequence_number, refresh_hint, authorities: authorities.sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1)) }
}

/** What tells certificates apart; they themselves are not kept. */
function certificateOf(asn1: Uint8Array): { sha256: string; not_after?: string } {
  const sha256 = createHash('sha256').update(asn1).digest('hex')
  try {
    return { sha256, not_after: new Date(new X509Certificate(asn1).validTo).toISOString() }
  } catch {
    return { sha256 }
  }
}
