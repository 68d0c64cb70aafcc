/** A message that can be read, with more of something in it than its source takes. */
export class OverLimitError extends Error {
  override name = 'OverLimitError'
}
