import test from 'ava'
import fc from 'fast-check'
import { AddressTable, entityOf, isCrowd, notFound } from '../../enricher/tables/address-table.ts'
import { writeAddress } from '../../runtime/block/address.ts'

const wordsOf = (text: string) => {
  const words = new Int32Array(4)
  writeAddress(new Uint8Array(words.buffer), 0, text)
  return words
}

test('an address belongs to whoever had it at that time, to the microsecond', t => {
  const table = new AddressTable()
  const address = wordsOf('10.0.0.1')
  table.add(address, 0, 100, 200, 1)
  table.add(address, 0, 200, 300, 2)
  t.deepEqual(
    [99, 100, 199, 200, 299, 300].map(time => table.find(address, 0, time)),
    [notFound.notThen, 1, 1, 2, 2, notFound.notThen],
  )
  t.is(table.find(wordsOf('10.0.0.2'), 0, 100), notFound.unknown)
})

test('an address that two had at once is nobody’s for sure, and both are named', t => {
  const table = new AddressTable()
  const address = wordsOf('fd00::1')
  table.add(address, 0, 0, 300, 1)
  table.add(address, 0, 100, 200, 2)
  const candidates: number[] = []
  t.is(table.find(address, 0, 150, candidates), notFound.several)
  t.deepEqual(candidates.sort(), [1, 2])
  t.is(table.find(address, 0, 250), 1)
})

test('an interval that is closed later ends there', t => {
  const table = new AddressTable()
  const address = wordsOf('10.0.0.1')
  const interval = table.add(address, 0, 0, Infinity, 7)
  table.close(interval, 50)
  t.is(table.find(address, 0, 49), 7)
  t.is(table.find(address, 0, 50), notFound.notThen)
})

test('it answers as a plain list of intervals would, for any history', t => {
  const interval = fc.record({ address: fc.nat(40), from: fc.nat(1000), length: fc.integer({ min: 1, max: 300 }), entity: fc.nat(20) })
  const lookup = fc.record({ address: fc.nat(45), time: fc.nat(1400) })
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 2000 }), fc.array(lookup, { maxLength: 50 }), (intervals, lookups) => {
      const table = new AddressTable()
      const address = (number: number) => wordsOf(`10.${number}.0.1`)
      for (const { address: number, from, length, entity } of intervals) table.add(address(number), 0, from, from + length, entity)
      for (const { address: number, time } of lookups) {
        const known = intervals.filter(one => one.address === number)
        const alive = new Set(known.filter(({ from, length }) => time >= from && time < from + length).map(({ entity }) => entity))
        const expected =
          alive.size === 1 ? [...alive][0] : alive.size ? notFound.several : known.length ? notFound.notThen : notFound.unknown
        if (table.find(address(number), 0, time) !== expected) return false
      }
      return true
    }),
    { numRuns: 200 },
  )
  t.pass()
})

/** What `look` should answer, moment by moment. */
function lookedUp(known: readonly { from: number; to: number; ended: number; entity: number }[], from: number, to: number): string {
  const then = Array.from({ length: to - from + 1 }, (_, moment) =>
    known.filter(one => one.from <= from + moment && from + moment < one.to),
  )
  const alive = new Set(then.flat().map(({ entity }) => entity))
  if (alive.size === 0) return 'nobody'
  if (alive.size > 1) return `crowd ${[...alive].sort((a, b) => a - b).join()}`
  const sure = then.every((all, moment) => all.some(({ ended }) => from + moment < ended))
  return `${sure ? 'surely' : 'probably'} ${[...alive].join()}`
}

test('whoever had it all the while is told surely, whatever else was asked before', t => {
  const interval = fc.record({ from: fc.nat(200), length: fc.integer({ min: 1, max: 60 }), unseen: fc.nat(20), entity: fc.nat(20) })
  const lookup = fc.record({ from: fc.nat(260), length: fc.nat(12) })
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 12 }), fc.array(lookup, { maxLength: 40 }), (intervals, lookups) => {
      const table = new AddressTable()
      const address = wordsOf('10.0.0.1')
      // Each entity has it once.
      const known = [...new Map(intervals.map(one => [one.entity, one])).values()].map(({ from, length, unseen, entity }) => {
        return { from, to: from + length, ended: Math.max(from, from + length - unseen), entity }
      })
      table.add(address, 0, 10_000, 10_001, 99)
      for (const { from, to, ended, entity } of known) table.add(address, 0, from, to, entity, { endedAfter: ended })
      for (const { from, length } of lookups) {
        const answer = table.look(address, 0, from, from + length)
        const text = isCrowd(answer)
          ? `crowd ${table.crowd(answer).entities.join()}`
          : answer < 0
            ? 'nobody'
            : `${answer === entityOf(answer) ? 'surely' : 'probably'} ${entityOf(answer)}`
        if (text !== lookedUp(known, from, from + length)) return false
      }
      return true
    }),
    { numRuns: 500 },
  )
  t.pass()
})
