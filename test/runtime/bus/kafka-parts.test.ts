import { createRequire } from 'node:module'
import test from 'ava'
import fc from 'fast-check'
import {
  type Member,
  assign,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../runtime/bus/kafka/assignor.ts'
import { compress } from 'snappyjs'
import { crc32c } from '../../../runtime/bus/kafka/crc32c.ts'
import { decodeBatches } from '../../../runtime/bus/kafka/decode.ts'
import { encodeBatch, entryOf, fields, headBytes } from '../../../runtime/bus/kafka/encode.ts'
import { partitionOf } from '../../../runtime/bus/kafka/partition.ts'

const load = createRequire(import.meta.url)
const kafkajsCrc = load('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number
const kafkajsMurmur = load('kafkajs/src/producer/partitioners/default/murmur2') as (bytes: Buffer) => number

test('the checksum and the partition of a key are those of other clients', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.integer({ min: 1, max: 50 }), (bytes, partitions) => {
      const buffer = Buffer.from(bytes)
      t.is(crc32c(bytes), kafkajsCrc(buffer))
      t.is(partitionOf(bytes, partitions), (kafkajsMurmur(buffer) & 0x7fffffff) % partitions)
    }),
  )
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283)
})

/** Keys come from outside: some are names JavaScript has a meaning for. */
const headerName = fc.oneof({ weight: 8, arbitrary: fc.string({ minLength: 1 }) }, fc.constantFrom('__proto__', 'constructor', 'toString'))
const messages = fc.array(
  fc.record(
    {
      key: fc.string(),
      headers: fc.dictionary(headerName, fc.string(), { noNullPrototype: true }),
      body: fc.uint8Array(),
      ids: fc.uint8Array(),
    },
    { requiredKeys: ['headers', 'body'], noNullPrototype: true },
  ),
  { minLength: 1, maxLength: 8 },
)
const sequence = { producerId: 7n, epoch: 1, first: 3 }

test('a batch is read as it was written, from any offset within it', t => {
  fc.assert(
    fc.property(messages, fc.nat(8), (sent, from) => {
      const batch = encodeBatch(sent.map(entryOf), sequence, 1_700_000_000_000)
      const { messages, next } = decodeBatches(Buffer.concat([batch, batch.subarray(0, 70)]), from)
      t.is(next, Math.max(from, sent.length))
      t.deepEqual(
        messages.map(({ body, ids, ...rest }) => ({ ...rest, body: Buffer.from(body), ...(ids && { ids: Buffer.from(ids) }) })),
        sent.slice(from).map(({ body, ids, ...rest }, index) => ({
          offset: from + index,
          time: 1_700_000_000_000,
          ...rest,
          body: Buffer.from(body),
          ...(ids && { ids: Buffer.from(ids) }),
        })),
      )
    }),
  )
})

/** A batch whose records were compressed. */
function compressed(batch: Buffer, codec: number, records: Uint8Array): Buffer {
  const out = Buffer.concat([batch.subarray(0, headBytes), records])
  out.writeInt32BE(out.length - 12, fields.length)
  out.writeInt16BE(codec, fields.attributes)
  out.writeUInt32BE(crc32c(out, fields.attributes), fields.crc)
  return out
}

test('Snappy is read as one block and as the stream of blocks that Java writes', t => {
  const body = Buffer.from('abc'.repeat(50_000))
  const batch = encodeBatch([{ headers: { a: 'b' }, body }].map(entryOf), sequence, 0)
  const records = batch.subarray(headBytes)
  const pieces = [0, 1, 2, 3].map(i => compress(records.subarray(i * 40_000, (i + 1) * 40_000)))
  const stream = Buffer.concat([
    Buffer.from('\x82SNAPPY\0\0\0\0\x01\0\0\0\x01', 'latin1'),
    ...pieces.flatMap(piece => [Buffer.from([0, 0, piece.length >> 8, piece.length & 255]), piece]),
  ])
  for (const bytes of [Buffer.from(compress(records)), stream]) {
    const [{ headers, body: read }] = decodeBatches(compressed(batch, 2, bytes), 0).messages
    t.deepEqual([headers, Buffer.from(read)], [{ a: 'b' }, body])
  }
  for (const bytes of [stream.subarray(0, -5), stream.subarray(0, 18), Buffer.alloc(0)])
    t.regex(decodeBatches(compressed(batch, 2, bytes), 0).messages[0].headers.unreadable, /Snappy|ends before/)
})

test('a batch that was damaged is one message that says so', t => {
  const batch = encodeBatch([{ headers: {}, body: Buffer.from('abc') }].map(entryOf), sequence, 0)
  fc.assert(
    fc.property(fc.integer({ min: 21, max: batch.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Buffer.from(batch)
      damaged[at] ^= flip
      const { messages } = decodeBatches(damaged, 0)
      for (const { headers } of messages) t.regex(headers.unreadable, /^a batch /)
    }),
  )
})

/** What members hold once all have let go of what they shall, and the rest was given out. */
function settle(members: readonly Member[], rounds: number): { members: Member[]; most: number } {
  let now = [...members]
  let most = 0
  for (let generation = 1; generation <= rounds; generation++) {
    const shares = assign(now)
    const working = now.flatMap(({ id, topic, owned }) =>
      [...new Set([...owned, ...shares.get(id)!])].map(partition => `${topic} ${partition}`),
    )
    most = Math.max(most, ...[...Map.groupBy(working, one => one).values()].map(({ length }) => length))
    now = now.map(member => ({ ...member, owned: shares.get(member.id)!, generation }))
  }
  return { members: now, most }
}

test('partitions are shared evenly, none is worked on by two, and nobody loses more than must move', t => {
  const counts = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 20 }))
  fc.assert(
    fc.property(counts, ([before, coming, partitions]) => {
      const newcomer = (id: number): Member => ({ id: `m${id}`, topic: 't', owned: [], generation: -1, partitions })
      const first = settle(
        Array.from({ length: before }, (_, id) => newcomer(id)),
        1,
      )
      const others = Array.from({ length: coming }, (_, id) => newcomer(before + id))
      const { members, most } = settle([...first.members, ...others], 2)
      t.true(most <= 1)
      const sizes = members.map(({ owned }) => owned.length)
      t.is(
        sizes.reduce((a, b) => a + b),
        partitions,
      )
      t.true(Math.max(...sizes) - Math.min(...sizes) <= 1)
      for (const [index, { owned }] of first.members.entries()) t.true(members[index].owned.every(one => owned.includes(one)))
    }),
  )
})

test('of two that claim a partition, the one that got it later keeps it', t => {
  const member = (id: string, generation: number): Member => ({ id, topic: 't', owned: [0], generation, partitions: 1 })
  t.deepEqual([...assign([member('stale', 3), member('current', 5)])].sort(), [
    ['current', [0]],
    ['stale', []],
  ])
})

test('what a member says, and what it is given, are read as they were written', t => {
  const said = { topic: 'weir-flow-v1', owned: [3, 1], generation: 8, partitions: 12 }
  t.deepEqual(decodeSubscription(encodeSubscription(said)), said)
  t.deepEqual(decodeAssignment(encodeAssignment('t', [5, 0])), [5, 0])
  t.deepEqual(decodeAssignment(Buffer.alloc(0)), [])
})
