/** Reads numbers as networks send them: most significant byte first. */

const word = 4294967296

export const uint16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1]

export const uint32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0

/** An unsigned number of 1 to 8 bytes (reduced-size encoding, RFC 7011 §6.2); beyond 2^53 it is rounded. */
export function uint(bytes: Uint8Array, at: number, length: number): number {
  switch (length) {
    case 1:
      return bytes[at]
    case 2:
      return uint16(bytes, at)
    case 4:
      return uint32(bytes, at)
    case 8:
      return uint32(bytes, at) * word + uint32(bytes, at + 4)
    default:
      return longUint(bytes, at, length)
  }
}

function longUint(bytes: Uint8Array, at: number, length: number): number {
  let value = 0
  for (let i = 0; i < length; i++) value = value * 256 + bytes[at + i]
  return value
}

/** Four bytes as they lie, for a column whose words lie the same way. */
export const rawWord = (bytes: Uint8Array, at: number): number =>
  bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)

/** Text that may be padded with zero bytes; what is not valid UTF-8 becomes U+FFFD. */
export function text(bytes: Uint8Array, at: number, length: number): string {
  let end = at
  while (end < at + length && bytes[end] !== 0) end++
  return Buffer.from(bytes.subarray(at, end)).toString('utf8').trim()
}

export function isZero(bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < end; at++) if (bytes[at] !== 0) return false
  return true
}

const ntpEpoch = 2208988800

/** Microseconds since 1970 of an NTP timestamp (RFC 7011 §6.1.9); 0 of none. */
export function ntpMicros(bytes: Uint8Array, at: number): number {
  const seconds = uint32(bytes, at)
  if (seconds === 0) return 0
  // Seconds below 2^31 are those from 2036 on.
  const epoch = seconds < 2147483648 ? ntpEpoch - word : ntpEpoch
  return (seconds - epoch) * 1e6 + Math.floor((uint32(bytes, at + 4) / word) * 1e6)
}
