import test from 'ava'
import fc from 'fast-check'
import { compress } from 'snappyjs'
import { CompressionError } from '../../../runtime/compression/error.ts'
import { uncompressSnappy } from '../../../runtime/compression/snappy.ts'

const most = 1 << 20
const words = fc.constantFrom('istio_requests_total', 'destination', '', 'a', '\0'.repeat(100), 'x'.repeat(70_000))
const texts = fc.array(fc.oneof(words, fc.string()), { maxLength: 40 }).map(list => Buffer.from(list.join('')))

test('what was compressed comes back', t => {
  fc.assert(
    fc.property(
      fc.oneof(
        texts,
        fc.uint8Array({ maxLength: 5000 }).map(bytes => Buffer.from(bytes)),
      ),
      bytes => {
        t.deepEqual(uncompressSnappy(Buffer.from(compress(bytes)), bytes.length), bytes)
      },
    ),
    { numRuns: 300 },
  )
})

/** Elements as the format describes them. */
const cases: Record<string, [bytes: number[], text: string]> = {
  nothing: [[0], ''],
  'a literal': [[3, 2 << 2, 97, 98, 99], 'abc'],
  'a literal with its length in a byte of its own': [[3, 60 << 2, 2, 97, 98, 99], 'abc'],
  'a copy with an offset of one byte, which repeats': [[8, 0, 97, ((7 - 4) << 2) | 1, 1], 'aaaaaaaa'],
  'a copy with an offset of two bytes': [[6, 2 << 2, 97, 98, 99, (2 << 2) | 2, 3, 0], 'abcabc'],
  'a copy with an offset of four bytes': [[6, 2 << 2, 97, 98, 99, (2 << 2) | 3, 3, 0, 0, 0], 'abcabc'],
}

for (const [title, [bytes, text]] of Object.entries(cases))
  test(`Snappy: ${title}`, t => t.is(uncompressSnappy(Buffer.from(bytes), 100).toString(), text))

const wrong: Record<string, number[]> = {
  'no bytes': [],
  'a length without end': [255, 255, 255, 255, 255, 255],
  'a length that the bytes cannot have': [255, 255, 3, 0, 97],
  'less than was promised': [4, 0, 97],
  'more than was promised': [1, 1 << 2, 97, 98],
  'a literal over the end': [5, 4 << 2, 97],
  'a copy of nothing': [4, 1, 0],
  'a copy from before the beginning': [5, 0, 97, 1, 2],
  'an end within a copy': [5, 0, 97, 2, 1],
}

for (const [title, bytes] of Object.entries(wrong))
  test(`broken Snappy is told: ${title}`, t => {
    t.is(t.throws(() => uncompressSnappy(Buffer.from(bytes), most), { instanceOf: CompressionError })?.kind, 'broken')
  })

test('what would be larger than is taken is not allocated', t => {
  const bytes = Buffer.from(compress(Buffer.alloc(100_000)))
  t.is(t.throws(() => uncompressSnappy(bytes, 99_999), { instanceOf: CompressionError })?.kind, 'too_large')
})

test('any bytes give bytes or a CompressionError', t => {
  const attempt = (bytes: Buffer) => {
    try {
      uncompressSnappy(bytes, most)
    } catch (error) {
      t.true(error instanceof CompressionError, String(error))
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), texts, fc.nat(), fc.nat({ max: 255 }), (noise, text, at, byte) => {
      attempt(Buffer.from(noise))
      const changed = Buffer.from(compress(text))
      changed[at % changed.length] = byte
      attempt(changed)
      attempt(changed.subarray(0, at % changed.length))
      t.pass()
    }),
    { numRuns: 1000 },
  )
})
