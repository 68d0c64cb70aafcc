/** A service by the name clients call in a cluster, as `namespace/name`; '' for any other host. */
export function serviceOfHost(host: string): string {
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc(?:\.|:|$)/.exec(host) ?? []
  return name ? `${namespace}/${name}` : ''
}
