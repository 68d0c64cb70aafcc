import test from 'ava'
import fc from 'fast-check'
import { pictures } from '../../dashboards/panel.ts'
import { type State, initial, levels, pageState, pages, parse, recordKinds, write } from '../../dashboards/web/state/url.ts'

const word = fc.stringMatching(/^[a-z_]{1,12}$/)
const words = fc.uniqueArray(word, { maxLength: 5 })

const states: fc.Arbitrary<State> = fc.record({
  page: fc.constantFrom(...pages),
  from: fc.string({ minLength: 1 }),
  to: fc.string({ minLength: 1 }),
  refresh: fc.nat(3600),
  where: fc.string(),
  level: fc.constantFrom(...levels),
  select: fc.string(),
  search: fc.string(),
  colour: fc.constantFrom('errors', 'latency'),
  quiet: fc.boolean(),
  sort: fc.string(),
  kind: fc.constantFrom(...recordKinds),
  at: fc.string(),
  panel: fc.constantFrom('record', 'related'),
  columns: words,
  live: fc.boolean(),
  metrics: words,
  by: words,
  picture: fc.constantFrom(...pictures),
  every: fc.nat(86_400),
  top: fc.nat(1000),
})

test('every state comes back from its address', t => {
  fc.assert(fc.property(states, state => t.deepEqual(parse(write(state)), state) ?? true))
})

test('a fresh visit has a bare address', t => {
  t.is(write(initial), '')
  t.deepEqual(parse(''), initial)
})

test('what an address says wrong is as on a fresh visit', t => {
  t.deepEqual(parse('?page=nowhere&level=galaxy&refresh=-1&top=many&picture=pie&unknown=1'), initial)
})

test('another page keeps the time and the filter, and nothing else', t => {
  const state = { ...initial, from: 'now-1h', where: 'dst_port = 53', select: 'shop', search: 'x', refresh: 30 }
  t.deepEqual(pageState(state, 'flows'), { ...initial, page: 'flows', from: 'now-1h', where: 'dst_port = 53', refresh: 30 })
})
