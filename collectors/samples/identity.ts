/** Who an end is by its certificate, as far as the name says it. */
export interface Identity {
  spiffeId: string
  namespace: string
  serviceAccount: string
}

const nobody: Identity = { spiffeId: '', namespace: '', serviceAccount: '' }

/** A SPIFFE ID as Istio writes it, with or without its scheme: `cluster.local/ns/shop/sa/web`. */
export function principalIdentity(principal: string): Identity {
  if (!principal || principal === 'unknown') return nobody
  const spiffeId = /^[a-z][a-z0-9+.-]*:\/\//.test(principal) ? principal : `spiffe://${principal}`
  const [, namespace = '', serviceAccount = ''] = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(spiffeId) ?? []
  return { spiffeId, namespace, serviceAccount }
}

/**
 * A name in a certificate of Linkerd, `<account>.<namespace>.serviceaccount.identity.<control plane>.<trust domain>`, as the SPIFFE ID that
 * other meshes would give it.
 */
export function linkerdIdentity(name: string): Identity {
  if (name.startsWith('spiffe://')) return principalIdentity(name)
  const [, serviceAccount, namespace, trustDomain] = /^(.+)\.([^.]+)\.serviceaccount\.identity\.[^.]+\.(.+)$/.exec(name) ?? []
  if (!trustDomain) return nobody
  return { spiffeId: `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`, namespace, serviceAccount }
}

/** A service by the name clients call in a cluster, as `namespace/name`; '' for any other host. */
export function serviceOfHost(host: string): string {
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc(?:\.|:|$)/.exec(host) ?? []
  return name ? `${namespace}/${name}` : ''
}
