import test from 'ava'
import fc from 'fast-check'
import { BlockError } from '../../../runtime/block/error.ts'
import { Block } from '../../../runtime/block/block.ts'
import { singleReader } from '../../../runtime/block/single.ts'
import { kinds } from '../../../schema/record.ts'
import { arbitraryRecord, blockOf } from '../../helpers/arbitrary.ts'

const names = Object.keys(kinds.object.fields)
const read = singleReader(kinds.object, names)
const encoded = (record: Record<string, unknown>) => Buffer.from(blockOf(kinds.object, [record]).encode())

/** What a record has that is not its type's zero. */
const told = (record: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value && !(Array.isArray(value) && !value.length)))

test('a single record reads as it does from a block, for any record', t => {
  fc.assert(
    fc.property(arbitraryRecord(kinds.object), record => {
      const bytes = encoded(record)
      t.deepEqual(told(read(bytes)!), told(new Block(bytes, kinds.object).records()[0]))
    }),
    { numRuns: 300 },
  )
})

test('only the fields that are asked for are read', t => {
  const some = singleReader(kinds.object, ['kind', 'name', 'addresses'])
  const bytes = encoded({ name: 'cart-1', namespace: 'shop', addresses: ['10.0.0.1'], labels: ['app=cart'], valid_from: 7 })
  t.deepEqual(some(bytes), { kind: 'pod', name: 'cart-1', addresses: ['10.0.0.1'] })
})

test('a block of several records, or of columns nobody knows, is left to others', t => {
  t.is(read(Buffer.from(blockOf(kinds.object, [{ name: 'a' }, { name: 'b' }]).encode())), undefined)
  t.is(read(Buffer.from(blockOf(kinds.flow, [{ bytes: 1 }]).encode())), undefined)
})

test('bytes that are cut or changed are an error of ours or a record, in bounded time', t => {
  const bytes = encoded({
    name: 'cart-1',
    namespace: 'shop',
    addresses: ['10.0.0.1', 'fd00::1'],
    spiffe_id: 'spiffe://a/b',
    time: 5,
    valid_to: 9,
  })
  const change = fc.record({ at: fc.nat(bytes.length - 1), to: fc.nat(255), end: fc.nat(bytes.length) })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), changes => {
      const damaged = Buffer.from(bytes)
      for (const { at, to } of changes) damaged[at] = to
      try {
        read(damaged.subarray(0, changes[0]?.end))
      } catch (error) {
        if (!(error instanceof BlockError)) throw error
      }
    }),
    { numRuns: 3000 },
  )
  t.pass()
})
