import test from 'ava'
import { clicked, readSort, sorted } from '../../dashboards/web/state/sort.ts'

const rows = [{ n: 1 }, { n: null }, { n: 3 }]

test('what has no value comes last either way', t => {
  t.deepEqual(sorted(rows, readSort('n', '')), [{ n: 1 }, { n: 3 }, { n: null }])
  t.deepEqual(sorted(rows, readSort('-n', '')), [{ n: 3 }, { n: 1 }, { n: null }])
})

test('numbers begin with the largest, and a second click turns around', t => {
  t.is(clicked(readSort('name', ''), 'n', true), '-n')
  t.is(clicked(readSort('-n', ''), 'n', true), 'n')
})
