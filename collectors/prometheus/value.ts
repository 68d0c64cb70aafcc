import { ExpositionError } from './reading.ts'
import { numberOf } from './number.ts'

const [dot, minus, zero] = [46, 45, 48]
/** Mantissas of so many digits, and powers of ten up to 22, are exact as they are; so is one rounding of their quotient. */
const exactDigits = 15
const powers = Array.from({ length: exactDigits + 1 }, (_, exponent) => 10 ** exponent)

/** Reads numbers where they stand in a line. `at` is behind what was read last. */
export class ValueReader {
  at = 0

  /** The number at `at`, which ends with a space or the line. Throws ExpositionError. */
  read(bytes: Buffer, start: number, limit: number): number {
    const isNegative = bytes[start] === minus
    let at = isNegative ? start + 1 : start
    const first = at
    let mantissa = 0
    let point = -1
    for (; at < limit; at++) {
      const digit = bytes[at] - zero
      if (digit >= 0 && digit <= 9) mantissa = mantissa * 10 + digit
      else if (bytes[at] === dot && point < 0) point = at
      else break
    }
    const digits = at - first - (point < 0 ? 0 : 1)
    if (digits < 1 || digits > exactDigits || !endsToken(bytes, at, limit)) return this.#readAny(bytes, start, limit)
    this.at = at
    const value = point < 0 ? mantissa : mantissa / powers[at - point - 1]
    return isNegative ? -value : value
  }

  #readAny(bytes: Buffer, start: number, limit: number): number {
    let end = start
    while (!endsToken(bytes, end, limit)) end++
    this.at = start
    const text = bytes.toString('latin1', start, Math.min(end, start + 400))
    const value = numberOf(text)
    if (value === undefined)
      throw new ExpositionError(text ? `expected a number, got ${JSON.stringify(text.slice(0, 40))}` : 'expected a number')
    this.at = end
    return value
  }
}

/** Space, tab, line feed, carriage return or the end. */
const endsToken = (bytes: Buffer, at: number, limit: number) => at >= limit || bytes[at] <= 32
