/** A template that uses what is not supported: of Go's language, or of what weir does not know. */
export class UnsupportedTemplate extends Error {
  override name = 'UnsupportedTemplate'
}

export function unsupported(what: string): never {
  throw new UnsupportedTemplate(what.slice(0, 120))
}
