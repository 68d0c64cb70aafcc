/** Where in the text something is, in UTF-16 units as editors count them. */
export interface Position {
  offset: number
  length: number
}

/** A filter that can not be understood: says where and what would be. */
export class FilterError extends Error {
  override name = 'FilterError'
  readonly position: Position
  readonly expected: readonly string[]

  constructor(message: string, position: Position, expected: readonly string[] = []) {
    super(message)
    this.position = position
    this.expected = expected
  }
}
