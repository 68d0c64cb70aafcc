import { spawnSync } from 'node:child_process'
import test from 'ava'
import fc from 'fast-check'
import { CompressionError } from '../../../runtime/compression/error.ts'
import { uncompressLz4 } from '../../../runtime/compression/lz4.ts'

const most = 1 << 20
const words = fc.constantFrom('istio_requests_total', 'destination', '', 'a', '\0'.repeat(100), 'x'.repeat(70_000))
const texts = fc.array(fc.oneof(words, fc.string()), { maxLength: 40 }).map(list => Buffer.from(list.join('')))
const bodies = fc.oneof(
  texts,
  fc.uint8Array({ maxLength: 5000 }).map(bytes => Buffer.from(bytes)),
)

const isThere = spawnSync('lz4', ['-V']).error === undefined
/** With the reference implementation's own command. */
const compress = (bytes: Uint8Array, ...options: string[]) =>
  spawnSync('lz4', ['-z', '-c', '-q', ...options], { input: bytes, maxBuffer: 1 << 26 }).stdout

test('what lz4 compressed comes back, whatever it was told', t => {
  if (!isThere && process.env.CI) throw new Error('there is no lz4')
  if (!isThere) {
    t.log('skipped: no lz4')
    return t.pass()
  }
  const options = fc.tuple(
    fc.constantFrom('-1', '-9'),
    fc.constantFrom('-B4', '-B5', '-B7'),
    fc.constantFrom('-BI', '-BD'),
    fc.constantFrom('-BX', '--no-frame-crc', '--content-size'),
  )
  fc.assert(
    fc.property(bodies, options, (bytes, told) => {
      const compressed = compress(bytes, ...told)
      t.deepEqual(uncompressLz4(compressed, bytes.length), bytes)
      t.deepEqual(uncompressLz4(Buffer.concat([compressed, compressed]), most * 4), Buffer.concat([bytes, bytes]))
    }),
    { numRuns: 60 },
  )
})

const head = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]
const endMark = [0, 0, 0, 0]
const block = (...bytes: number[]) => [bytes.length, 0, 0, 0, ...bytes]
const stored = (...bytes: number[]) => [bytes.length, 0, 0, 0x80, ...bytes]

/** Frames as the format describes them. */
const cases: Record<string, [bytes: number[], text: string]> = {
  nothing: [[], ''],
  'a frame without blocks': [[...head, ...endMark], ''],
  literals: [[...head, ...block(0x30, 97, 98, 99), ...endMark], 'abc'],
  'a block that is stored': [[...head, ...stored(97, 98, 99), ...endMark], 'abc'],
  'a match that repeats': [[...head, ...block(0x13, 97, 1, 0, 0x10, 98), ...endMark], 'aaaaaaaab'],
  'a match into the block before': [[...head, ...stored(97, 98), ...block(0x00, 2, 0, 0x10, 99), ...endMark], 'abababc'],
  'a frame to pass over': [[0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2, ...head, ...stored(97), ...endMark], 'a'],
}

for (const [title, [bytes, text]] of Object.entries(cases))
  test(`LZ4: ${title}`, t => t.is(uncompressLz4(Buffer.from(bytes), 100).toString(), text))

const wrong: Record<string, number[]> = {
  'no magic': [1, 2, 3, 4, 5],
  'a frame that breaks off': head,
  'a header that breaks off': head.slice(0, 5),
  'another version': [0x04, 0x22, 0x4d, 0x18, 0xa0, 0x40, 0x82, ...endMark],
  'a dictionary': [0x04, 0x22, 0x4d, 0x18, 0x61, 0x40, 1, 0, 0, 0, 0x82, ...endMark],
  'no end mark': [...head, ...stored(97)],
  'a block that breaks off': [...head, 9, 0, 0, 0, 0x10, 97],
  'literals over the end': [...head, ...block(0x50, 97), ...endMark],
  'a match of nothing': [...head, ...block(0x10, 97, 0, 0), ...endMark],
  'a match from before the beginning': [...head, ...block(0x10, 97, 2, 0), ...endMark],
  'an end within a match': [...head, ...block(0x10, 97, 1), ...endMark],
  'a frame to pass over that breaks off': [0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0],
}

for (const [title, bytes] of Object.entries(wrong))
  test(`broken LZ4 is told: ${title}`, t => {
    t.is(t.throws(() => uncompressLz4(Buffer.from(bytes), most), { instanceOf: CompressionError })?.kind, 'broken')
  })

/** One letter, and a match of 255 bytes for each byte of length. */
const bomb = (lengths: number) => {
  const body = [0x1f, 97, 1, 0, ...Array.from({ length: lengths }, () => 255), 0, 0x10, 98]
  return Buffer.from([...head.slice(0, 5), 0x70, 0, body.length & 255, (body.length >>> 8) & 255, 0, 0, ...body, ...endMark])
}

test('what would be larger than is taken is not allocated', t => {
  t.is(uncompressLz4(bomb(1000), most).length, 1 + 19 + 255 * 1000 + 1)
  t.is(t.throws(() => uncompressLz4(bomb(1000), 100_000), { instanceOf: CompressionError })?.kind, 'too_large')
})

test('a block that is larger than its frame says is broken', t => {
  const bytes = bomb(1000)
  bytes[5] = 0x40
  t.is(t.throws(() => uncompressLz4(bytes, most), { instanceOf: CompressionError })?.kind, 'broken')
})

test('any bytes give bytes or a CompressionError', t => {
  const attempt = (bytes: Buffer) => {
    try {
      uncompressLz4(bytes, most)
    } catch (error) {
      t.true(error instanceof CompressionError, String(error))
    }
  }
  const whole = Object.values(cases).map(([bytes]) => bytes)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(...whole), fc.nat(), fc.nat({ max: 255 }), (noise, frame, at, byte) => {
      attempt(Buffer.from(noise))
      attempt(Buffer.from([...head, noise.length, 0, 0, 0, ...noise, ...endMark]))
      const changed = Buffer.from(frame)
      if (changed.length) changed[at % changed.length] = byte
      attempt(changed)
      attempt(changed.subarray(0, at % (changed.length + 1)))
      t.pass()
    }),
    { numRuns: 1000 },
  )
})
