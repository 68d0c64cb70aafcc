import test from 'ava'
import { Draft } from '../../enricher/step.ts'
import { Clocks, mostHidden } from '../../enricher/tables/clocks.ts'
import { openBlock } from '../../runtime/block/message.ts'
import { kinds } from '../../schema/record.ts'
import { deliveredOf } from '../helpers/blocks.ts'

const second = 1e6
const start = 1_000 * second
const hidden = 0.25 * second

interface Heard {
  time: number
  delay?: number
  reporter?: string
}

/** For each record the moments it may be of, from its time on. */
async function moments(clocks: Clocks, ...heard: Heard[]) {
  const records = heard.map(({ time, delay, reporter = 'node-1' }) => ({
    time,
    ...(delay !== undefined && { received: time + delay }),
    source: 'agent',
    cluster: 'east',
    reporter,
  }))
  const { reporters, earliest, latest, until } = clocks.moments(new Draft(kinds.flow, openBlock(await deliveredOf('flow', records))))
  return { each: Array.from(reporters, number => [earliest[number], latest[number]]), until: until.get('east') }
}

test('what does not say when it was received is of its time', async t => {
  t.deepEqual(await moments(new Clocks(), { time: start }), { each: [[0, 0]], until: start })
})

test('the least delay of a reporter counts, for all its records', async t => {
  const { each, until } = await moments(
    new Clocks(),
    { time: start, delay: 2 * second },
    { time: start, delay: 0.1 * second },
    { time: start, delay: second, reporter: 'node-2' },
  )
  t.deepEqual(each, [
    [-hidden, 0.1 * second],
    [-hidden, 0.1 * second],
    [-hidden, second],
  ])
  t.is(until, start + second)
})

test('a clock that is ahead is set back by as much as its records came before they were made', async t => {
  const clocks = new Clocks()
  const { each, until } = await moments(clocks, { time: start, delay: -2 * second }, { time: start - second, delay: 0 })
  t.deepEqual(each[1], [-2 * second - hidden, -2 * second])
  t.is(until, start - 2 * second)
  t.deepEqual(clocks.ahead(10), [{ source: 'agent', cluster: 'east', reporter: 'node-1', ahead: 2 * second }])
})

test('what was long ago is forgotten, as clocks are set right', async t => {
  const clocks = new Clocks()
  await moments(clocks, { time: start, delay: -2 * second })
  const soon = await moments(clocks, { time: start + 40 * second, delay: 0.1 * second })
  t.deepEqual(soon.each[0], [-2 * second - hidden, -2 * second])
  const later = await moments(clocks, { time: start + 110 * second, delay: 0.1 * second })
  t.deepEqual(later.each[0], [-hidden, 0.1 * second])
})

test('a delay that is too long to tell of the clock leaves what was known, or both ways open', async t => {
  const clocks = new Clocks()
  const late = { time: start, delay: 600 * second }
  t.deepEqual((await moments(clocks, late)).each, [[-mostHidden, mostHidden]])
  await moments(clocks, { time: start + 700 * second, delay: 0.1 * second })
  t.deepEqual((await moments(clocks, { ...late, time: start + 300 * second })).each, [[-hidden, 0.1 * second]])
  t.deepEqual((await moments(clocks, { ...late, time: start + 3000 * second })).each, [[-hidden, 0.1 * second]])
  t.deepEqual((await moments(clocks, { ...late, time: start + 9000 * second })).each, [[-mostHidden, mostHidden]])
})

test('it remembers no more reporters than it may, and those it heard of last', async t => {
  const clocks = new Clocks({ mostReporters: 10 })
  for (let number = 0; number < 30; number++) await moments(clocks, { time: start, delay: -second, reporter: `node-${number}` })
  t.is(clocks.ahead(100).length, 10)
  t.true(clocks.ahead(100).some(({ reporter }) => reporter === 'node-29'))
})
