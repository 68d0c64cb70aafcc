/** What is known of a line besides the line. */
export interface LineContext {
  /** Name of the source that read it. */
  source: string
  cluster: string
  /** Microseconds. */
  received: number
  /** The pod that wrote it, where that is known: of a container's log, or of the resource of OTLP. */
  pod?: { namespace: string; name: string; workload?: string; node?: string }
  trace_id?: string
  span_id?: string
  /** More that came with it, by the names Istio's JSON format gives. */
  fields?: Readonly<Record<string, string>>
}

/**
 * Reads access logs that are lines of text. A line is at most three rows: look for full blocks of requests and flows after each, and
 * `await outbox.ready()` when there is one.
 */
export interface LineReader {
  /**
   * Writes down what a line tells. False when it is no access log in a format that is known. One that is but cannot be read is counted
   * as discarded and kept as a dead letter; one about something still going on is counted as discarded.
   */
  take(line: string, context: LineContext): boolean
  /** The same of a line that lies there in bytes, without its end. */
  takeBytes(bytes: Buffer, start: number, end: number, context: LineContext): boolean
}
