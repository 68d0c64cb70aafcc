import { addressBytes, writeAddress } from '../../runtime/block/address.ts'
import { Interner } from './interner.ts'

const scratch = new Uint8Array(addressBytes)
const scratchWords = new Uint32Array(scratch.buffer)

/** Reads addresses from their text into four words each, as they lie in a column of addresses. */
export class AddressReader {
  readonly words: Uint32Array
  readonly #known = new Interner(readAnyAddress)

  constructor(count: number) {
    this.words = new Uint32Array(count * 4)
  }

  clear(): void {
    this.words.fill(0)
  }

  /** What is no address is :: . */
  read(index: number, bytes: Buffer, view: DataView, start: number, end: number): void {
    const at = index * 4
    const ipv4 = readIpv4(bytes, start, end)
    if (ipv4 >= 0) {
      this.words[at] = this.words[at + 1] = 0
      this.words[at + 2] = 0xffff0000
      this.words[at + 3] = ipv4
      return
    }
    const known = this.#known.find(bytes, view, start, end)
    for (let i = 0; i < 4; i++) this.words[at + i] = known[i]
  }
}

function readAnyAddress(bytes: Buffer, start: number, end: number): Uint32Array {
  writeAddress(scratch, 0, bytes.toString('latin1', start, end))
  return scratchWords.slice()
}

/** The usual dotted form as a little-endian word, -1 for anything else. */
function readIpv4(bytes: Buffer, start: number, end: number): number {
  if (end - start > 15) return -1
  let word = 0
  let octet = -1
  let dots = 0
  for (let i = start; i < end; i++) {
    const digit = bytes[i] - 48
    if (digit === -2) {
      if (octet < 0 || dots === 3) return -1
      word |= octet << (dots * 8)
      dots++
      octet = -1
    } else if (digit < 0 || digit > 9 || octet === 0) return -1
    else {
      octet = octet < 0 ? digit : octet * 10 + digit
      if (octet > 255) return -1
    }
  }
  return dots === 3 && octet >= 0 ? (word | (octet << 24)) >>> 0 : -1
}
