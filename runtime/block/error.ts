export type BlockErrorCode = 'truncated' | 'unknown_type' | 'lying_length' | 'bad_text' | 'too_large' | 'wrong_schema'

/** A block that cannot be read: what is wrong with it and at which byte. */
export class BlockError extends Error {
  override name = 'BlockError'
  readonly code: BlockErrorCode
  readonly position: number

  constructor(code: BlockErrorCode, position: number, message: string) {
    super(`${message} at byte ${position}`)
    this.code = code
    this.position = position
  }
}
