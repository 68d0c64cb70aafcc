const form = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)*)$/
const longest = 2048

/** Trust domain and path of a SPIFFE ID, or nothing for what is none. */
export function readSpiffeId(text: string): { trustDomain: string; path: string } | undefined {
  const [, trustDomain, path] = text.length <= longest ? (form.exec(text) ?? []) : []
  if (!trustDomain || path.split('/').some(segment => segment === '.' || segment === '..')) return undefined
  return { trustDomain, path }
}
