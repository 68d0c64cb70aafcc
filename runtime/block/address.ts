import ipaddr from 'ipaddr.js'

/** Bytes 10 and 11 of an IPv4 address in IPv6 form are 0xff (RFC 4291 §2.5.5.2). */
export const addressBytes = 16

/**
 * Writes the 16 bytes of an address in text form; IPv4 as ::ffff:a.b.c.d, and an IPv4-mapped one the same way.
 * Returns false, and writes ::, when the text is no address.
 */
export function writeAddress(bytes: Uint8Array, at: number, text: string): boolean {
  bytes.fill(0, at, at + addressBytes)
  if (text === '' || writeDotted(bytes, at, text)) return true
  if (!ipaddr.isValid(text)) return false
  const parsed = ipaddr.parse(text)
  const octets = parsed.toByteArray()
  if (octets.length === addressBytes) bytes.set(octets, at)
  else {
    bytes[at + 10] = bytes[at + 11] = 0xff
    bytes.set(octets, at + 12)
  }
  return true
}

/** The usual form of IPv4, four decimal numbers without leading zeros; false, and nothing is written, for all others. */
function writeDotted(bytes: Uint8Array, at: number, text: string): boolean {
  const octets = [0, 0, 0, 0]
  let octet = 0
  let digits = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit === dot && digits > 0 && octet < 3) {
      octet++
      digits = 0
    } else if (digit >= 0 && digit <= 9 && (digits === 0 || octets[octet] > 0)) {
      octets[octet] = octets[octet] * 10 + digit
      digits++
    } else return false
    if (octets[octet] > 255) return false
  }
  if (octet < 3 || digits === 0) return false
  bytes[at + 10] = bytes[at + 11] = 0xff
  bytes.set(octets, at + 12)
  return true
}
/** As a digit. */
const dot = '.'.charCodeAt(0) - 48

export function isIpv4(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff
}

/** The address as people write it: dotted IPv4, compressed IPv6, '' for ::. */
export function readAddress(bytes: Uint8Array, at: number): string {
  if (isIpv4(bytes, at)) return `${bytes[at + 12]}.${bytes[at + 13]}.${bytes[at + 14]}.${bytes[at + 15]}`
  const octets = Array.from(bytes.subarray(at, at + addressBytes))
  return octets.every(octet => octet === 0) ? '' : new ipaddr.IPv6(octets).toRFC5952String()
}
