import test from 'ava'
import fc from 'fast-check'
import { both, is, narrowed } from '../../dashboards/web/state/filter.ts'
import { parseFilter } from '../../query-api/filter/parse.ts'
import { flowFields } from '../../schema/flow.ts'

test('the server reads a condition as the value it was made from', t => {
  fc.assert(
    fc.property(fc.string(), value => {
      t.deepEqual(parseFilter(is('dst_pod', value), flowFields), { op: '=', field: 'dst_pod', type: 'label', values: [value] })
    }),
  )
})

test('a condition joined to another keeps its meaning', t => {
  const joined = both("src_namespace = 'a' OR dst_namespace = 'a'", 'dst_port = 53')!
  t.like(parseFilter(joined, flowFields), { op: 'AND' })
})

test('narrowing twice by the same says it once', t => {
  const once = narrowed('', is('dst_port', 53))
  t.is(narrowed(once, is('dst_port', 53)), once)
})
