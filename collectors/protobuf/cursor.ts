/** Bytes that are no protobuf message, or break off within one. */
export class UndecodableError extends Error {
  override name = 'UndecodableError'
  readonly position: number

  constructor(what: string, position: number) {
    super(`${what} at byte ${position}`)
    this.position = position
  }
}

export const varintType = 0
export const bytesType = 2
const maxGroupDepth = 32
/** Shared: to make one for each cursor would take longer than to read a small message. */
const nothing = Buffer.alloc(0)

/**
 * Reads protobuf's wire format. Whoever reads a sub-message moves `at` to its end and says so with `close`,
 * which notices numbers and lengths that ran over it.
 */
export class Cursor {
  bytes: Buffer = nothing
  at = 0
  /** End of the whole message. */
  limit = 0
  /** Upper 32 bits of what `varint` read last. */
  high = 0
  /** Start and end of what `span` found last. */
  start = 0
  end = 0

  open(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes
    this.at = start
    this.limit = end
  }

  /** The lower 32 bits of a varint, unsigned; the upper ones are left in `high`. */
  varint(): number {
    const byte = this.bytes[this.at]
    if (byte < 128) {
      this.at++
      this.high = 0
      return byte
    }
    return this.#longVarint()
  }

  /** Up to five bytes, which are ports, lengths and times: the loop would take longer. */
  #longVarint(): number {
    const { bytes, at } = this
    let byte = bytes[at + 1]
    let value = (bytes[at] & 127) | ((byte & 127) << 7)
    let next = at + 2
    if (byte > 127) {
      byte = bytes[next++]
      value |= (byte & 127) << 14
      if (byte > 127) {
        byte = bytes[next++]
        value |= (byte & 127) << 21
        if (byte > 127) {
          byte = bytes[next++]
          value |= byte << 28
        }
      }
    }
    if (!(byte < 128)) return this.#longestVarint()
    if (next > this.limit) throw new UndecodableError('the message ends within a number', this.limit)
    this.at = next
    this.high = next - at < 5 ? 0 : byte >>> 4
    return value >>> 0
  }

  #longestVarint(): number {
    const { bytes } = this
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.limit) throw new UndecodableError('the message ends within a number', this.at)
      const byte = bytes[this.at++]
      if (shift < 28) low |= (byte & 127) << shift
      else if (shift === 28) {
        low |= (byte & 127) << 28
        high = (byte & 127) >>> 4
      } else high |= (byte & 127) << (shift - 32)
      if (byte < 128) {
        this.high = high >>> 0
        return low >>> 0
      }
    }
    throw new UndecodableError('a number longer than ten bytes', this.at)
  }

  /** As `varint`, for a reader that keeps the place itself: the number at `at`; the place behind it is `this.at`. */
  varintAt(at: number): number {
    this.at = at
    return this.varint()
  }

  /** As `skip`, for a reader that keeps the place itself: where the field ends whose value is at `at`. */
  skipAt(tag: number, at: number): number {
    if (tag < 8) throw new UndecodableError('field number 0', at)
    this.at = at
    this.skip(tag)
    return this.at
  }

  /** Field number and wire type. */
  tag(): number {
    const tag = this.varint()
    if (tag < 8) throw new UndecodableError('field number 0', this.at)
    return tag
  }

  /** Takes in a length-delimited field: `start` and `end` say where, `at` is behind it. */
  span(): void {
    const length = this.varint()
    this.start = this.at
    this.end = this.at + length
    if (this.end > this.limit || this.high !== 0)
      throw new UndecodableError(`${length} bytes expected, ${this.limit - this.at} left,`, this.at)
    this.at = this.end
  }

  /** Passes over a field of any type. */
  skip(tag: number, depth = 0): void {
    const type = tag & 7
    if (type === varintType) this.varint()
    else if (type === bytesType) this.span()
    else if (type === 1) this.at += 8
    else if (type === 5) this.at += 4
    else if (type === 3 && depth < maxGroupDepth) this.#skipGroup(tag >>> 3, depth)
    else throw new UndecodableError(`wire type ${type}`, this.at)
    if (this.at > this.limit) throw new UndecodableError('the message ends within a field', this.limit)
  }

  #skipGroup(field: number, depth: number): void {
    for (;;) {
      const tag = this.tag()
      if ((tag & 7) === 4) {
        if (tag >>> 3 === field) return
        throw new UndecodableError(`a group of field ${field} that ends as ${tag >>> 3}`, this.at)
      }
      this.skip(tag, depth + 1)
    }
  }

  /** Checks that reading a sub-message stopped where it ends. */
  close(end: number): void {
    if (this.at !== end) throw new UndecodableError('a field runs over the end of its message', end)
  }

  text(start: number, end: number): string {
    return textAt(this.bytes, start, end)
  }
}

/** UTF-8; short ASCII without the cost of a call into C++. */
export function textAt(bytes: Buffer, start: number, end: number): string {
  if (end - start > 24) return bytes.toString('utf8', start, end)
  let text = ''
  for (let i = start; i < end; i++) {
    if (bytes[i] > 127) return bytes.toString('utf8', start, end)
    text += String.fromCharCode(bytes[i])
  }
  return text
}
