const [space, newline, carriageReturn, zero, nine, dash, openBrace, openBracket] = [32, 10, 13, 48, 57, 45, 123, 91]
const [letterT, letterS, letterP, letterF] = [84, 115, 80, 70]
const dockerStart = Buffer.from('{"log":"')

/** Told of each line that is whole, as it was before a container runtime packed it. */
export interface LineTaker {
  /** `endOffset` is where in the file the line ends, its end included. */
  line(bytes: Buffer, start: number, end: number, endOffset: number): void
  /** A line that is longer than allowed, of which no part is handed over. */
  tooLong(): void
}

/** The parts of a line that are there: where the first begins in the file. */
interface Partial {
  parts: Buffer[]
  bytes: number
  offset: number
  isTooLong: boolean
}

/**
 * Takes what container runtimes put around lines away: CRI's `<time> stdout F `, of which P marks parts of a line; Docker's
 * {"log":"…\n"}; the time kubectl logs --timestamps writes. Other lines are taken as they are.
 */
export class Framing {
  readonly #maxBytes: number
  readonly #partials = new Map<string, Partial>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Where the first part lies of lines that are not whole yet; undefined when there is none. */
  get pending(): number | undefined {
    let first: number | undefined
    for (const { offset } of this.#partials.values()) first = Math.min(first ?? Infinity, offset)
    return first
  }

  /** Takes the line that lies there, without its end; `offset` is where it begins in the file. */
  take(bytes: Buffer, start: number, to: number, offset: number, taker: LineTaker): void {
    const end = to > start && bytes[to - 1] === carriageReturn ? to - 1 : to
    const endOffset = offset + to - start + 1
    if (end <= start) return
    const first = bytes[start]
    if (first >= zero && first <= nine && bytes[start + 4] === dash && bytes[start + 10] === letterT)
      return this.#takeTimed(bytes, start, end, offset, endOffset, taker)
    if (first === openBrace && bytes.compare(dockerStart, 0, dockerStart.length, start, Math.min(end, start + dockerStart.length)) === 0)
      return this.#takeDocker(bytes, start, end, offset, endOffset, taker)
    this.#give(bytes, start, end, endOffset, taker)
  }

  #give(bytes: Buffer, start: number, end: number, endOffset: number, taker: LineTaker): void {
    if (end - start > this.#maxBytes) taker.tooLong()
    else taker.line(bytes, start, end, endOffset)
  }

  #takeTimed(bytes: Buffer, start: number, end: number, offset: number, endOffset: number, taker: LineTaker): void {
    let at = start
    while (at < end && bytes[at] !== space) at++
    const next = bytes[at + 1]
    const mark = bytes[at + 8]
    // stdout and stderr are equally long.
    if (next === letterS && bytes[at + 7] === space && bytes[at + 9] === space && (mark === letterF || mark === letterP) && at + 10 <= end)
      return this.#takePart(bytes.toString('latin1', at + 1, at + 7), bytes, at + 10, end, mark === letterF, offset, endOffset, taker)
    const isStamped = next === openBracket || next === openBrace || (next >= zero && next <= nine && bytes[at + 11] === letterT)
    this.#give(bytes, at < end && isStamped ? at + 1 : start, end, endOffset, taker)
  }

  /** A part of a line, or the whole of it. Streams are joined apart. */
  #takePart(
    stream: string,
    bytes: Buffer,
    start: number,
    end: number,
    isLast: boolean,
    offset: number,
    endOffset: number,
    taker: LineTaker,
  ): void {
    const partial = this.#partials.get(stream)
    if (!partial && isLast) return this.#give(bytes, start, end, endOffset, taker)
    const whole = partial ?? { parts: [], bytes: 0, offset, isTooLong: false }
    this.#partials.set(stream, whole)
    whole.bytes += end - start
    if (whole.bytes > this.#maxBytes) whole.isTooLong = true
    if (whole.isTooLong) whole.parts.length = 0
    else whole.parts.push(Buffer.from(bytes.subarray(start, end)))
    if (!isLast) return
    this.#partials.delete(stream)
    if (whole.isTooLong) return taker.tooLong()
    const line = Buffer.concat(whole.parts)
    taker.line(line, 0, line.length, endOffset)
  }

  /** Docker ends the last part of a line with the line's own end. */
  #takeDocker(bytes: Buffer, start: number, end: number, offset: number, endOffset: number, taker: LineTaker): void {
    const record = readDocker(bytes.toString('utf8', start, end))
    if (!record) return this.#give(bytes, start, end, endOffset, taker)
    const line = Buffer.from(record.log)
    const isLast = line.at(-1) === newline
    const length = isLast ? line.length - (line.at(-2) === carriageReturn ? 2 : 1) : line.length
    this.#takePart(record.stream, line, 0, length, isLast, offset, endOffset, taker)
  }
}

function readDocker(text: string): { log: string; stream: string } | undefined {
  try {
    const { log, stream } = JSON.parse(text) as { log?: unknown; stream?: unknown }
    return typeof log === 'string' ? { log, stream: stream === 'stderr' ? 'stderr' : 'stdout' } : undefined
  } catch {
    return undefined
  }
}
