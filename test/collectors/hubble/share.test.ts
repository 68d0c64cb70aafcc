import test from 'ava'
import { parseAddresses } from '../../../collectors/address.ts'
import { ownShare, readerOf } from '../../../collectors/hubble/share.ts'
import { ConfigError } from '../../../runtime/error.ts'

const addresses = Array.from({ length: 1000 }, (_, index) => `10.0.${index >> 8}.${index & 255}:4244`)

test('every address is in exactly one share, and the shares are about as large', t => {
  const shares = [0, 1, 2, 3].map(number => ownShare(addresses, { number, of: 4 }, 'any'))
  t.deepEqual(shares.flat().sort(), [...addresses].sort())
  for (const share of shares) t.true(Math.abs(share.length - 250) < 60, String(share.length))
})

test('one collector more takes a part of each, and nothing moves between the others', t => {
  const moved = addresses.filter(address => readerOf(address, 4) !== readerOf(address, 5))
  t.true(moved.every(address => readerOf(address, 5) === 4))
  t.true(Math.abs(moved.length - 200) < 60, String(moved.length))
})

test('without a number it is the one the name of the machine ends in', t => {
  t.deepEqual(ownShare(addresses, { of: 4 }, 'weir-collect-3'), ownShare(addresses, { number: 3, of: 4 }, 'any'))
  t.deepEqual(ownShare(addresses, { of: 1 }, 'laptop'), addresses)
  t.deepEqual(ownShare(addresses, undefined, 'weir-collect-3'), addresses)
})

const wrong: Record<string, [Parameters<typeof ownShare>[1], string]> = {
  'a number that is too large': [{ number: 3, of: 3 }, 'collect.hubble.share.number: expected a number from 0 to 2, got 3'],
  'a machine without a number': [
    { of: 3 },
    'collect.hubble.share.number: expected a number from 0 to 2 or a machine whose name ends in one, got the machine "weir"',
  ],
}
for (const [what, [share, message]] of Object.entries(wrong))
  test(`${what} is an error that says what was expected`, t => {
    t.throws(() => ownShare(addresses, share, 'weir'), { instanceOf: ConfigError, message })
  })

test('addresses are a list, or stand between commas, each once', t => {
  t.deepEqual(parseAddresses('relay:80', 'collect.hubble.address'), ['relay:80'])
  t.deepEqual(parseAddresses(' a:1, b:2,a:1,', 'collect.hubble.address'), ['a:1', 'b:2'])
  t.deepEqual(parseAddresses(['a:1', 'unix:///b'], 'collect.hubble.address'), ['a:1', 'unix:///b'])
  t.throws(() => parseAddresses('a:1,b', 'collect.hubble.address'), {
    instanceOf: ConfigError,
    message: /expected host:port or unix:\/\/\/path, got "b"/,
  })
})
