import { addressBytes, writeAddress } from '../runtime/block/address.ts'
import { Interner } from './protobuf/interner.ts'

const zero = 48
const dot = 46

const scratch = new Uint8Array(addressBytes)
const scratchWords = new Uint32Array(scratch.buffer)

/** Reads addresses from their text into four words each, as they lie in a column of addresses. */
export class AddressReader {
  readonly words: Int32Array
  readonly #known = new Interner(new Uint32Array(4), readAnyAddress)

  constructor(count: number) {
    this.words = new Int32Array(count * 4)
  }

  clear(): void {
    for (let i = 0; i < this.words.length; i++) this.words[i] = 0
  }

  /** What is no address is :: . */
  read(index: number, bytes: Buffer, view: DataView, start: number, end: number): void {
    const at = index * 4
    if (end - start < 16 && readIpv4(bytes, start, end, this.words, at + 3)) {
      this.words[at] = this.words[at + 1] = 0
      this.words[at + 2] = 0xffff0000
      return
    }
    const known = this.#known.value(this.#known.find(bytes, view, start, end))
    for (let i = 0; i < 4; i++) this.words[at + i] = known[i]
  }
}

function readAnyAddress(bytes: Buffer, start: number, end: number): Uint32Array {
  writeAddress(scratch, 0, bytes.toString('latin1', start, end))
  return scratchWords.slice()
}

/** Writes the usual dotted form as a little-endian word to `words[to]`. False for anything else. */
function readIpv4(bytes: Buffer, start: number, end: number, words: Int32Array, to: number): boolean {
  let word = 0
  let at = start
  for (let shift = 0; ; shift += 8) {
    let octet = bytes[at++] - zero
    if (octet >>> 0 > 9) return false
    let digit = bytes[at] - zero
    if (digit >>> 0 <= 9 && octet > 0) {
      octet = octet * 10 + digit
      digit = bytes[++at] - zero
      if (digit >>> 0 <= 9) {
        octet = octet * 10 + digit
        at++
      }
    }
    if (octet > 255) return false
    word |= octet << shift
    if (shift === 24) break
    if (bytes[at++] !== dot) return false
  }
  words[to] = word
  return at === end
}
