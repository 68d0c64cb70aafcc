import { randomNumbers } from './random.ts'

/** The fields of an IPv4 template as routers have them: number and length, and what is in it. */
const fields: readonly (readonly [id: number, length: number, value: (random: (below: number) => number) => number])[] = [
  [8, 4, random => 0x0a000000 + random(4000)],
  [12, 4, random => 0x0a000000 + random(4000)],
  [7, 2, random => 32768 + random(28000)],
  [11, 2, random => [80, 443, 5432, 8080, 53][random(5)]],
  [4, 1, random => (random(4) ? 6 : 17)],
  [6, 2, () => 0x1b],
  [5, 1, () => 0],
  [61, 1, random => random(2)],
  [10, 4, random => 1 + random(16)],
  [14, 4, random => 1 + random(16)],
  [15, 4, random => 0x0a0000fe + random(2)],
  [16, 4, random => 64512 + random(20)],
  [17, 4, random => 64512 + random(20)],
  [58, 2, random => random(8)],
  [136, 1, random => 1 + random(3)],
  [1, 8, random => 40 + random(1e6)],
  [2, 8, random => 1 + random(900)],
  [152, 8, random => 1.7e12 + random(60_000)],
  [153, 8, random => 1.7e12 + 60_000 + random(60_000)],
]
const recordLength = fields.reduce((sum, [, length]) => sum + length, 0)
const templateId = 256
/** What fits into an Ethernet frame. */
export const recordsPerDatagram = Math.floor((1472 - 20) / recordLength)

function write(bytes: Buffer, at: number, value: number, length: number): void {
  if (length === 8) bytes.writeBigUInt64BE(BigInt(value), at)
  else bytes.writeUIntBE(value, at, length)
}

function head(length: number, sequence: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16BE(10, 0)
  bytes.writeUInt16BE(length, 2)
  bytes.writeUInt32BE(1_700_000_120, 4)
  bytes.writeUInt32BE(sequence >>> 0, 8)
  bytes.writeUInt32BE(1, 12)
  return bytes
}

export function ipfixTemplate(): Buffer {
  const body = Buffer.alloc(8 + fields.length * 4)
  body.writeUInt16BE(2, 0)
  body.writeUInt16BE(body.length, 2)
  body.writeUInt16BE(templateId, 4)
  body.writeUInt16BE(fields.length, 6)
  fields.forEach(([id, length], index) => {
    body.writeUInt16BE(id, 8 + index * 4)
    body.writeUInt16BE(length, 10 + index * 4)
  })
  return Buffer.concat([head(body.length + 16, 0), body])
}

/** So many datagrams of IPFIX, whose sequence numbers go on from one another. */
export function ipfixFeed(count: number, seed = 1): Buffer[] {
  const numbers = randomNumbers(seed)
  const random = (below: number) => Math.floor(numbers() * below)
  return Array.from({ length: count }, (_, index) => {
    const set = Buffer.alloc(4 + recordsPerDatagram * recordLength)
    set.writeUInt16BE(templateId, 0)
    set.writeUInt16BE(set.length, 2)
    let at = 4
    for (let record = 0; record < recordsPerDatagram; record++)
      for (const [, length, value] of fields) {
        write(set, at, value(random), length)
        at += length
      }
    return Buffer.concat([head(set.length + 16, index * recordsPerDatagram), set])
  })
}
