/** Compressed bytes that are none, or would be larger than is taken. */
export class CompressionError extends Error {
  override name = 'CompressionError'
  readonly kind: 'too_large' | 'broken'

  constructor(kind: CompressionError['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}
