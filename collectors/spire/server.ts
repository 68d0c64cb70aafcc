import { type Channel, openChannel } from '../grpc/channel.ts'
import { type Address, authorityOf } from '../address.ts'
import { type AdminSvid, connectSpire } from './connection.ts'
import { loadSpireProto } from './proto.ts'

export interface SpiffeId {
  trust_domain: string
  path: string
}

/** spire.api.types.Entry; times in seconds since 1970. */
export interface Entry {
  id: string
  spiffe_id: SpiffeId | null
  parent_id: SpiffeId | null
  selectors: { type: string; value: string }[]
  x509_svid_ttl: number
  federates_with: string[]
  admin: boolean
  downstream: boolean
  expires_at: number
  dns_names: string[]
  revision_number: number
  hint: string
  created_at: number
}

export interface Bundle {
  trust_domain: string
  x509_authorities: { asn1: Uint8Array; tainted: boolean }[]
  refresh_hint: number
  sequence_number: number
}

export interface Relationship {
  trust_domain: string
  bundle_endpoint_url: string
  bundle_endpoint_profile?: 'https_web' | 'https_spiffe'
}

/** All a SPIRE server told in one poll. */
export interface Snapshot {
  /** Of the server's own trust domain. */
  own: Bundle
  federated: Bundle[]
  relationships: Relationship[]
  entries: Entry[]
}

const callTimeoutMs = 15_000
const pageSize = 1000
const mostPages = 1000
const entryMask = [
  'spiffe_id',
  'parent_id',
  'selectors',
  'x509_svid_ttl',
  'federates_with',
  'admin',
  'downstream',
  'expires_at',
  'dns_names',
  'revision_number',
  'hint',
  'created_at',
]
const bundleMask = ['x509_authorities', 'refresh_hint', 'sequence_number']
const relationshipMask = ['bundle_endpoint_url', 'bundle_endpoint_profile']
const api = '/spire.api.server'

/** Reads all there is. Rejects when any part of it cannot be read: half a snapshot would look like removals. */
export async function readServer(address: Address, svid: AdminSvid | undefined, signal: AbortSignal): Promise<Snapshot> {
  await using channel = await openChannel({ authority: authorityOf(address), connection: await connectSpire(address, svid) })
  const leave = () => void channel[Symbol.asyncDispose]()
  signal.addEventListener('abort', leave, { once: true })
  try {
    const own = await call<Bundle>(channel, `${api}.bundle.v1.Bundle/GetBundle`, 'Bundle', { output_mask: masked(bundleMask) })
    if (!own.trust_domain) throw new Error('the server does not name its trust domain')
    return {
      own,
      federated: await list<Bundle>(channel, `${api}.bundle.v1.Bundle/ListFederatedBundles`, 'bundles', bundleMask),
      relationships: await list<Relationship>(
        channel,
        `${api}.trustdomain.v1.TrustDomain/ListFederationRelationships`,
        'federation_relationships',
        relationshipMask,
      ),
      entries: await list<Entry>(channel, `${api}.entry.v1.Entry/ListEntries`, 'entries', entryMask),
    }
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

const masked = (names: readonly string[]) => Object.fromEntries(names.map(name => [name, true]))

/** All pages. */
async function list<T>(channel: Channel, path: string, items: string, mask: readonly string[]): Promise<T[]> {
  const found: T[] = []
  let page_token = ''
  for (let page = 0; page < mostPages; page++) {
    const request = { page_size: pageSize, page_token, output_mask: masked(mask) }
    const answer = await call<Record<string, unknown>>(channel, path, undefined, request)
    for (const item of answer[items] as T[]) found.push(item)
    const next = String(answer.next_page_token)
    if (!next) return found
    if (next === page_token) throw new Error(`${items} lead to the same page again`)
    page_token = next
  }
  throw new Error(`more than ${mostPages * pageSize} ${items}`)
}

async function call<T>(channel: Channel, path: string, answered: string | undefined, request: object): Promise<T> {
  const root = loadSpireProto()
  const method = path.split('/').at(-1)!
  const type = root.lookupType(`spire.${method}Request`)
  const answer = root.lookupType(`spire.${answered ?? `${method}Response`}`)
  const message = await channel.call(path, type.encode(type.fromObject(request)).finish(), callTimeoutMs)
  return answer.toObject(answer.decode(message), { longs: Number, defaults: true, arrays: true, oneofs: true }) as T
}
