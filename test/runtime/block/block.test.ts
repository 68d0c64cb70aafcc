import test from 'ava'
import fc from 'fast-check'
import { Block } from '../../../runtime/block/block.ts'
import { AttributesColumn, wordsOfText } from '../../../runtime/block/attributes-column.ts'
import { columnOf } from '../../../runtime/block/columns.ts'
import { NumberColumn } from '../../../runtime/block/number-columns.ts'
import { TextColumn } from '../../../runtime/block/text-columns.ts'
import { BlockError } from '../../../runtime/block/error.ts'
import { Writer } from '../../../runtime/block/writer.ts'
import { type Field, type FieldType, clickhouseTypes } from '../../../schema/field.ts'
import { type RecordKind, collectedFields, kinds } from '../../../schema/record.ts'
import { arbitraryRecord, arbitraryValue, blockOf } from '../../helpers/arbitrary.ts'

const zero: Record<FieldType, unknown> = {
  bool: false,
  uint8: 0,
  uint16: 0,
  uint32: 0,
  uint64: 0,
  float64: 0,
  time: 0,
  address: '',
  text: '',
  label: '',
  texts: [],
  numbers: [],
  attributes: {},
}

const absent = (field: Field) => field.default ?? field.values?.[0] ?? zero[field.type]

/** A kind with one field of a type. */
const single = (type: FieldType): RecordKind => ({ ...kinds.loss, fields: { value: { type, about: 'A value.' } } })

for (const type of Object.keys(clickhouseTypes) as FieldType[])
  test(`${type}: a block gives back what the builder was given`, t => {
    const kind = single(type)
    fc.assert(
      fc.property(fc.array(arbitraryValue(kind.fields.value), { maxLength: 50 }), values => {
        const block = new Block(
          blockOf(
            kind,
            values.map(value => ({ value })),
          ).encode(),
          kind,
        )
        t.is(block.rows, values.length)
        t.deepEqual(block.values('value'), values.map(canonical))
      }),
      { numRuns: 60 },
    )
  })

/** An IPv4 address in IPv6 form reads as IPv4, and :: as none. */
function canonical(value: unknown): unknown {
  return value === '::' ? '' : value
}

for (const kind of Object.values(kinds))
  test(`${kind.name}: fields that are absent hold their defaults, in the first filling and after a reset`, t => {
    const builder = blockOf(kind, [])
    for (let filling = 0; filling < 2; filling++) {
      builder.add({})
      const [record] = new Block(builder.encode(), kind).records()
      for (const [name, field] of collectedFields(kind)) t.deepEqual(record[name], absent(field), name)
      builder.reset()
    }
  })

test('after a reset nothing of the rows before is left', t => {
  fc.assert(
    fc.property(fc.array(arbitraryRecord(kinds.request), { minLength: 1, maxLength: 5 }), records => {
      const builder = blockOf(kinds.request, records)
      builder.reset()
      for (const _ of records) builder.add({})
      t.deepEqual(
        new Block(builder.encode(), builder.kind).records(),
        new Block(
          blockOf(
            kinds.request,
            records.map(() => ({})),
          ).encode(),
          kinds.request,
        ).records(),
      )
    }),
    { numRuns: 10 },
  )
})

test('with() replaces and appends columns and leaves the others as they are', t => {
  const builder = blockOf(kinds.loss, [
    { count: 1, reason: 'a' },
    { count: 2, reason: 'b' },
  ])
  const block = new Block(Buffer.from(builder.encode()))
  const reason = columnOf({ type: 'label', about: '' }, 2)
  reason.set(0, 'c')
  const zone = columnOf({ type: 'text', about: '' }, 2)
  zone.set(1, 'z')
  const changed = new Block(block.with(new Map(Object.entries({ reason, zone }))))
  t.deepEqual(
    changed.records(),
    block.records().map((record, row) => ({ ...record, reason: ['c', ''][row], zone: ['', 'z'][row] })),
  )
  t.deepEqual(
    [...changed.columns].map(({ name }) => name),
    [...[...block.columns].map(({ name }) => name), 'zone'],
  )
})

test('a builder knows the time range of its rows and refuses columns it does not have', t => {
  const builder = blockOf(kinds.loss, [{ time: 5 }, { time: 2 }, { time: 9 }])
  t.deepEqual([builder.minTime, builder.maxTime, builder.rows], [2, 9, 3])
  t.throws(() => builder.add({ nothing: 1 }), { instanceOf: TypeError, message: /loss has no column nothing/ })
  t.throws(() => builder.numbers('reason'), { instanceOf: TypeError })
})

const sample = Buffer.from(
  blockOf(kinds.object, [
    { time: 1_763_000_000_000_000, kind: 'pod', name: 'web', uid: 'a', addresses: ['10.0.0.1', 'fd00::1'], labels: ['app=web'] },
    { time: 1_763_000_000_000_001, kind: 'node', name: 'ü', uid: 'b', ports: [], host_network: true },
  ]).encode(),
)

/** Reads all of it; what is no block must say so and do nothing else. */
function read(bytes: Uint8Array): unknown {
  try {
    return new Block(bytes).records()
  } catch (error) {
    if (error instanceof BlockError) return undefined
    throw error
  }
}

test('a block that ends early is refused, wherever it ends', t => {
  for (let length = 0; length < sample.length; length++)
    t.throws(() => new Block(sample.subarray(0, length)), { instanceOf: BlockError }, `${length}`)
  t.throws(() => new Block(Buffer.concat([sample, Buffer.from([0])])), { instanceOf: BlockError })
})

test('a block with any byte changed is a block or refused, and takes little memory', t => {
  const before = process.memoryUsage().arrayBuffers
  for (let at = 0; at < sample.length; at++)
    for (const byte of [0, 1, 0x7f, 0x80, 0xff]) {
      const changed = Buffer.from(sample)
      changed[at] = byte
      t.notThrows(() => read(changed), `byte ${at} as ${byte}`)
    }
  t.true(process.memoryUsage().arrayBuffers - before < 64 << 20)
})

test('garbage is refused', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      t.notThrows(() => read(bytes))
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.nat(sample.length), fc.uint8Array({ minLength: 1, maxLength: 12 }), (at, bytes) => {
      t.notThrows(() => read(Buffer.concat([sample.subarray(0, at), bytes, sample.subarray(at + bytes.length)])))
    }),
    { numRuns: 2000 },
  )
})

const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
const uint64 = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}
const huge = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f])
const oneColumn = (type: string, ...data: Buffer[]) => Buffer.concat([Buffer.from([1, 1]), text('a'), text(type), ...data])

const lies: Record<string, Buffer> = {
  'columns without end': Buffer.concat([huge, Buffer.from([1])]),
  'rows without end': Buffer.concat([Buffer.from([1]), huge, text('a'), text('UInt8')]),
  'rows without columns': Buffer.from([0, 5]),
  'a text longer than the block': oneColumn('String', huge, Buffer.from('abc')),
  'a list longer than the block': oneColumn('Array(String)', uint64(2n ** 52n)),
  'more keys than bytes': oneColumn('LowCardinality(String)', uint64(1n), uint64(0x600n), uint64(2n ** 40n)),
  'a label without a key': oneColumn(
    'LowCardinality(String)',
    uint64(1n),
    uint64(0x600n),
    uint64(1n),
    text(''),
    uint64(1n),
    Buffer.from([7]),
  ),
  'a type nobody knows': oneColumn('Nothing', Buffer.from([0])),
  'a number without end': Buffer.alloc(64, 0xff),
}

for (const [what, bytes] of Object.entries(lies))
  test(`${what}: refused without taking memory for it`, t => {
    const before = process.memoryUsage().arrayBuffers
    const error = t.throws(() => new Block(bytes).records(), { instanceOf: BlockError })
    t.regex(error.message, / at byte \d+$/)
    t.true(process.memoryUsage().arrayBuffers - before < 1 << 20)
  })

test('numbers are copied to where they are aligned', t => {
  const column = columnOf({ type: 'float64', about: '' }, 1) as NumberColumn
  column.values[0] = 1.5
  const shifted = new Block(Buffer.from(blockOf(kinds.loss, [{ detail: 'x' }]).encode())).with(new Map([['odd', column]]))
  t.deepEqual(new Block(shifted).numbers('odd'), new Float64Array([1.5]))
})

test('texts are written from bytes as from strings, rows that were passed over or not counted are left out', t => {
  const column = new TextColumn()
  const bytes = Buffer.concat([Buffer.from('häuser'), Buffer.from([0xff]), Buffer.from('x'.repeat(200))])
  const written = (rows: number) => {
    const out = new Writer()
    out.varuint(1)
    out.varuint(rows)
    out.text('text')
    out.text('String')
    column.write(out, rows)
    return new Block(Buffer.from(out.bytes())).texts('text')
  }
  t.deepEqual(written(2), ['', ''])
  column.setBytes(1, bytes, 0, 1)
  column.setBytes(1, bytes, 0, bytes.length)
  column.set(3, 'ü')
  t.deepEqual(written(5), ['', bytes.toString('utf8'), '', 'ü', ''])
  t.deepEqual(written(3), ['', bytes.toString('utf8'), ''])
  t.throws(() => column.set(2, 'earlier'), { instanceOf: RangeError })
  column.reset()
  t.deepEqual(written(1), [''])
})

test('texts and pairs copied by words, and bytes in hexadecimal, are what they are copied by letters', t => {
  const text = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc
      .tuple(fc.string({ minLength: 1, maxLength: 1 }), fc.constantFrom(126, 127, 128, 300, 16383, 16384))
      .map(([letter, count]) => letter.repeat(count)),
  )
  const written = (column: { write(out: Writer, rows: number): void }, rows: number) => {
    const out = new Writer(16)
    column.write(out, rows)
    return Buffer.from(out.bytes())
  }
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 6 }), fc.nat({ max: 5 }), (pairs, offset) => {
      const parts = pairs.map(([, value]) => Buffer.from(value))
      const bytes = Buffer.concat([Buffer.alloc(offset), ...parts])
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const [texts, plainTexts] = [new TextColumn(), new TextColumn()]
      const [hex, plainHex] = [new TextColumn(), new TextColumn()]
      const [attributes, plainAttributes] = [new AttributesColumn(8), new AttributesColumn(8)]
      attributes.begin(0)
      plainAttributes.begin(0)
      let at = offset
      for (const [row, [key, value]] of pairs.entries()) {
        const end = at + parts[row].length
        texts.setView(row, bytes, view, at, end)
        plainTexts.set(row, bytes.toString('utf8', at, end))
        const digits = Math.min(63, end - at)
        hex.setHex(row, bytes, at, digits)
        plainHex.set(row, bytes.toString('hex', at, at + digits))
        if (row % 2) attributes.addText(wordsOfText(key), value)
        else attributes.addView(wordsOfText(key), bytes, view, at, end)
        plainAttributes.add(key, value)
        at = end
      }
      const [keys, values] = [new Writer(16), new Writer(16)]
      for (const [key, value] of pairs) {
        keys.text(key)
        values.text(value)
        plainAttributes.add(key, value)
      }
      attributes.addWritten(keys.bytes(), values.bytes(), pairs.length)
      t.deepEqual(written(texts, 6), written(plainTexts, 6))
      t.deepEqual(written(hex, 6), written(plainHex, 6))
      t.deepEqual(written(attributes, 2), written(plainAttributes, 2))
    }),
  )
})
