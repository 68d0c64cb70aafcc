/** What an identity says of the workload it is given to. */
export interface Identity {
  /** spiffe://trust-domain/path */
  spiffeId: string
  trustDomain: string
  /** Of Kubernetes, or of Consul where it has namespaces. */
  namespace: string
  serviceAccount: string
  /** Of Consul, which gives identities to services. */
  service: string
}

const longest = 2048

/**
 * Reads a SPIFFE ID, with or without its scheme as older proxies write it, in the forms of Istio (/ns/…/sa/…) and Consul
 * (/ns/…/dc/…/svc/…), and the DNS names of Linkerd (sa.ns.serviceaccount.identity.linkerd.trust-domain). Undefined for what is none.
 */
export function readIdentity(text: string): Identity | undefined {
  if (text.length > longest) return undefined
  return readLinkerd(text) ?? readSpiffe(text)
}

function readSpiffe(text: string): Identity | undefined {
  const [, trustDomain, path] = /^(?:spiffe:\/\/)?([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/.exec(text) ?? []
  if (!trustDomain) return undefined
  const parts = new Map<string, string>()
  const segments = path.slice(1).split('/')
  for (let at = 0; at + 1 < segments.length; at += 2) parts.set(segments[at], segments[at + 1])
  return {
    spiffeId: `spiffe://${trustDomain}${path}`,
    trustDomain,
    namespace: parts.get('ns') ?? '',
    serviceAccount: parts.get('sa') ?? '',
    service: parts.get('svc') ?? '',
  }
}

function readLinkerd(text: string): Identity | undefined {
  const [, serviceAccount, namespace, trustDomain] = /^([^./]+)\.([^./]+)\.serviceaccount\.identity\.[^./]+\.([^/]+)$/.exec(text) ?? []
  if (!serviceAccount) return undefined
  return { spiffeId: `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`, trustDomain, namespace, serviceAccount, service: '' }
}
