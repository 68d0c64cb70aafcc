import test from 'ava'
import fc from 'fast-check'
import { Repeats, digestOf } from '../../../collectors/otlp/repeats.ts'
import { until } from '../../helpers/wait.ts'

test('exports that differ in a byte, or in length, have other digests', t => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, flip) => {
      const changed = Uint8Array.from(bytes)
      changed[at % bytes.length] ^= flip
      t.is(digestOf(Uint8Array.from(bytes)), digestOf(bytes))
      t.not(digestOf(changed), digestOf(bytes))
      t.not(digestOf(bytes.subarray(1)), digestOf(bytes))
      t.not(digestOf(Uint8Array.from([...bytes, 0])), digestOf(bytes))
    }),
  )
})

test('as many exports are remembered as may be, the oldest are forgotten first', t => {
  const repeats = new Repeats<number>({ most: 3 })
  for (let i = 0; i < 5; i++) repeats.remember(String(i), Promise.resolve(i))
  t.deepEqual(
    ['0', '1', '2', '3', '4'].map(key => repeats.find(key) !== undefined),
    [false, false, true, true, true],
  )
})

test('what is too old is forgotten', async t => {
  const repeats = new Repeats<number>({ ageMs: 20 })
  repeats.remember('a', Promise.resolve(1))
  await until('the next to forget it', () => {
    repeats.remember('b', Promise.resolve(2))
    return !repeats.find('a')
  })
  t.is(await repeats.find('b'), 2)
})

test('an export that was not taken after all may come again', async t => {
  const repeats = new Repeats<number>()
  const refused = Promise.reject<number>(new Error('busy'))
  repeats.remember('a', refused)
  await t.throwsAsync(refused)
  t.is(repeats.find('a'), undefined)
})
