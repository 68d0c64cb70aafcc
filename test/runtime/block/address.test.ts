import test from 'ava'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { addressBytes, readAddress, writeAddress } from '../../../runtime/block/address.ts'

/** By the library alone; undefined for what is no address. */
function bytesOf(text: string): number[] | undefined {
  if (text === '') return Array.from({ length: addressBytes }, () => 0)
  if (!ipaddr.isValid(text)) return undefined
  const octets = ipaddr.parse(text).toByteArray()
  return octets.length === addressBytes ? octets : [...Array.from({ length: 10 }, () => 0), 0xff, 0xff, ...octets]
}

const part = fc.oneof(fc.nat(300).map(String), fc.constantFrom('', '0', '00', '01', '0x1', '256', '1e1', ' 1', '+1', '４'))
const text = fc.oneof(
  fc.array(part, { maxLength: 6 }).map(parts => parts.join('.')),
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV4().map(address => `::ffff:${address}`),
  fc.string(),
)

test('any text is the address that it is, or none', t => {
  fc.assert(
    fc.property(text, text => {
      const bytes = new Uint8Array(addressBytes + 2).fill(7)
      const expected = bytesOf(text)
      t.is(writeAddress(bytes, 1, text), expected !== undefined, text)
      t.deepEqual([...bytes], [7, ...(expected ?? bytesOf('')!), 7], text)
    }),
    { numRuns: 5_000 },
  )
})

test('an address is read as it was written', t => {
  fc.assert(
    fc.property(fc.ipV4(), address => {
      const bytes = new Uint8Array(addressBytes)
      writeAddress(bytes, 0, address)
      t.is(readAddress(bytes, 0), address)
    }),
  )
})
