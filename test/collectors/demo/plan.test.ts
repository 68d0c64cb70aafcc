import test from 'ava'
import fc from 'fast-check'
import { type Plan, firstPlan, flowsBetween, flowsIn, resumedPlan } from '../../../collectors/demo/plan.ts'

const now = 1_795_000_000
const first = firstPlan({ seed: 3, rate: 500, now })

test('the flows of a stretch are those of its seconds', t => {
  const property = fc.property(fc.double({ min: 0, max: 20_000, noNaN: true }), fc.nat(5000), fc.nat(300), (rate, start, length) => {
    const plan = firstPlan({ seed: 1, rate, now })
    const from = now - 3700 + start
    let sum = 0
    for (let tick = from; tick < from + length; tick++) sum += flowsIn(plan, tick)
    return flowsBetween(plan, from, from + length) === sum
  })
  t.notThrows(() => fc.assert(property, { numRuns: 200 }))
})

test('a restart within the hour at the same rate changes nothing', t => {
  const served: Plan = { ...first, servedBefore: now + 600 }
  t.deepEqual(resumedPlan(served, { rate: 500, now: now + 3000 }), served)
})

test('another rate holds from now on, never for what was served', t => {
  const served: Plan = { ...first, servedBefore: now + 600 }
  t.deepEqual(resumedPlan(served, { rate: 50, now: now + 700 }).segments.at(-1), { from: now + 700, rate: 50 })
  t.deepEqual(resumedPlan(served, { rate: 50, now: now + 590 }).segments.at(-1), { from: now + 600, rate: 50 })
})

test('after more than an hour off, the time in between is silent up to an hour ago', t => {
  const served: Plan = { ...first, servedBefore: now + 600 }
  const later = now + 100_000
  const plan = resumedPlan(served, { rate: 500, now: later })
  t.is(flowsIn(plan, now + 599), 500)
  t.is(flowsIn(plan, now + 600), 0)
  t.is(flowsIn(plan, later - 3601), 0)
  t.is(flowsBetween(plan, later - 3600, later), 720_000)
  t.is(flowsIn(plan, later), 500)
  t.is(plan.anchor, first.anchor)
})
