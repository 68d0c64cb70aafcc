import test from 'ava'
import fc from 'fast-check'
import { Sequence, type SequenceUnit } from '../../../collectors/ipfix/sequence.ts'

/** Datagrams as [sequence number, records], a millisecond apart; what is lost in the end. */
function lost(unit: SequenceUnit, datagrams: readonly (readonly [number, number | undefined])[]): number[] {
  const sequence = new Sequence(unit)
  let now = 0
  for (const [number, records] of datagrams) sequence.take(number >>> 0, records, now++)
  return sequence.gaps(now, true).map(({ count }) => count)
}

const cases: Record<string, [SequenceUnit, [number, number | undefined][], number[]]> = {
  'numbers that go on are no gap': [
    'records',
    [
      [0, 10],
      [10, 5],
      [15, 0],
      [15, 3],
    ],
    [],
  ],
  'records that are missing are counted': [
    'records',
    [
      [0, 10],
      [10, 10],
      [50, 10],
    ],
    [30],
  ],
  'datagrams that are missing are counted': [
    'datagrams',
    [
      [7, 10],
      [8, 10],
      [11, 10],
    ],
    [2],
  ],
  'numbers begin again after 2^32': [
    'records',
    [
      [0xfffffff0, 10],
      [0xfffffffa, 10],
      [14, 1],
    ],
    [10],
  ],
  'a late datagram closes its gap': [
    'records',
    [
      [0, 10],
      [10, 10],
      [30, 10],
      [20, 10],
      [40, 10],
    ],
    [],
  ],
  'of a gap, what came late is no loss': [
    'records',
    [
      [0, 10],
      [10, 10],
      [50, 10],
      [30, 10],
      [60, 10],
    ],
    [10, 10],
  ],
  'a datagram that comes twice is none': [
    'records',
    [
      [0, 10],
      [10, 10],
      [10, 10],
      [20, 10],
    ],
    [],
  ],
  'an exporter that begins anew is none': [
    'records',
    [
      [500, 10],
      [510, 10],
      [0, 7],
      [7, 7],
      [14, 7],
    ],
    [],
  ],
  'a datagram whose records nobody can count is none': [
    'records',
    [
      [0, 10],
      [10, undefined],
      [35, 10],
      [45, 1],
    ],
    [],
  ],
  'an exporter of NetFlow 9 that counts flows is understood': [
    'datagrams',
    [
      [0, 20],
      [20, 20],
      [40, 15],
      [55, 20],
    ],
    [],
  ],
  'and so are its losses': [
    'datagrams',
    [
      [0, 20],
      [20, 20],
      [60, 20],
      [80, 20],
    ],
    [20],
  ],
  'an exporter of IPFIX that counts messages is understood': [
    'records',
    [
      [0, 20],
      [1, 20],
      [2, 15],
      [3, 20],
    ],
    [],
  ],
  'an exporter that counts the records of the message itself is understood': [
    'records',
    [
      [20, 20],
      [35, 15],
      [60, 25],
    ],
    [],
  ],
  'records of options that an exporter does not count are no gap': [
    'records',
    [
      [0, 20],
      [20, 30],
      [50, 21],
      [70, 20],
      [90, 17],
      [107, 20],
      [127, 9],
    ],
    [],
  ],
  'nor are they at the beginning': [
    'records',
    [
      [0, 21],
      [20, 20],
      [40, 20],
      [60, 5],
      [65, 20],
      [85, 7],
      [92, 20],
    ],
    [],
  ],
  'a gap that looks like another way of counting once is a gap all the same': [
    'datagrams',
    [
      [0, 2],
      [1, 2],
      [3, 2],
      [4, 2],
    ],
    [1],
  ],
}

for (const [title, [unit, datagrams, expected]] of Object.entries(cases))
  test(title, t => {
    t.deepEqual(lost(unit, datagrams), expected)
  })

test('a gap is told after two seconds, or 32 datagrams, and once', t => {
  const sequence = new Sequence('records')
  sequence.take(0, 10, 0)
  sequence.take(30, 10, 100)
  t.deepEqual(sequence.gaps(2000), [])
  t.deepEqual(sequence.gaps(2200), [{ count: 20, since: 0, until: 100 }])
  t.deepEqual(sequence.gaps(9000, true), [])
  sequence.take(100, 1, 9000)
  for (let next = 101; next < 134; next++) sequence.take(next, 1, 9000)
  t.deepEqual(sequence.gaps(9000), [{ count: 60, since: 100, until: 9000 }])
})

test('of any datagrams, with some lost and neighbours swapped, exactly the lost ones are missing', t => {
  const sent = fc.array(fc.record({ records: fc.integer({ min: 20, max: 30 }), lost: fc.boolean(), swapped: fc.boolean() }), {
    minLength: 4,
    maxLength: 40,
  })
  fc.assert(
    fc.property(sent, fc.nat({ max: 0xffffffff }), (all, start) => {
      // Datagrams are about as full as one another: else a gap could look like another way of counting.
      let number = start
      // The first ones and the last always come: what is before and after nobody can know, and how they count is seen by the first.
      const datagrams = [{ records: 27, lost: false, swapped: false }, { records: 25, lost: false, swapped: false }, ...all].map(each => {
        const datagram = { ...each, number: number >>> 0 }
        number += each.records
        return datagram
      })
      const end = { number: number >>> 0, records: 23, lost: false, swapped: false }
      const missing = datagrams.reduce((sum, { lost: isLost, records }) => sum + (isLost ? records : 0), 0)
      const arrived = datagrams.filter(({ lost: isLost }) => !isLost)
      for (let i = 3; i < arrived.length; i++) if (arrived[i].swapped) [arrived[i - 1], arrived[i]] = [arrived[i], arrived[i - 1]]
      const found = lost(
        'records',
        [...arrived, end].map(({ number: sequence, records }) => [sequence, records] as const),
      )
      t.is(
        found.reduce((sum, count) => sum + count, 0),
        missing,
      )
    }),
    { numRuns: 500 },
  )
})
