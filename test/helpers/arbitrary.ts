import fc from 'fast-check'
import { readAddress } from '../../runtime/block/address.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import type { Field, FieldType } from '../../schema/field.ts'
import { type RecordKind, collectedFields } from '../../schema/record.ts'

// Every code point but halves of surrogate pairs, which no UTF-8 holds.
const text = fc.string({ unit: 'binary', maxLength: 40 })
const label = fc.oneof(text, fc.constantFrom('', 'default', 'kube-system', 'a'.repeat(300), '名前', '🙂'))
const whole = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER))
const address = fc.oneof(
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => readAddress(bytes, 0)),
  fc.ipV4(),
  fc.constantFrom('', '0.0.0.0', '255.255.255.255', '::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),
)

const arbitraries: Record<FieldType, fc.Arbitrary<unknown>> = {
  bool: fc.boolean(),
  uint8: fc.integer({ min: 0, max: 255 }),
  uint16: fc.integer({ min: 0, max: 65_535 }),
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  uint64: whole,
  float64: fc.double(),
  time: whole,
  address,
  text: fc.oneof(text, fc.constantFrom('x'.repeat(20_000))),
  label,
  texts: fc.array(text, { maxLength: 5 }),
  numbers: fc.array(fc.double(), { maxLength: 5 }),
  attributes: fc.dictionary(
    text.filter(key => key !== '__proto__'),
    text,
    { maxKeys: 5, noNullPrototype: true },
  ),
}

/** Any value of a field; any text for a label, whatever values it should have. */
export const arbitraryValue = (field: Field) => arbitraries[field.type]

/** Any record of a kind as a collector may write it, with any of its fields absent. */
export function arbitraryRecord(kind: RecordKind): fc.Arbitrary<Record<string, unknown>> {
  const fields = collectedFields(kind).map(([name, field]) => [name, arbitraryValue(field)])
  return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: [] })
}

export function blockOf(kind: RecordKind, records: readonly Record<string, unknown>[]): BlockBuilder {
  const builder = new BlockBuilder(kind, Math.max(1, records.length))
  for (const record of records) builder.add(record)
  return builder
}
