/** A question that can not be answered as it is asked: names the place and what was expected. */
export class QueryError extends Error {
  override name = 'QueryError'
  /** Where in the question, such as `metrics[1]`. */
  readonly place: string
  readonly expected: readonly string[]

  constructor(place: string, message: string, expected: readonly string[] = []) {
    super(`${place}: ${message}`)
    this.place = place
    this.expected = expected
  }
}

/** What was asked for by its id is not there. */
export class NotFound extends Error {
  override name = 'NotFound'
}
