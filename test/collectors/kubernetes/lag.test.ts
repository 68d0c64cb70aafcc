import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { Lag } from '../../../collectors/kubernetes/lag.ts'

const usual = 100

test('word may have been on its way for as long as an answer took, and is not for ever', t => {
  using lag = new Lag()
  t.true(lag.ms >= usual)
  lag.answered(700)
  t.true(lag.ms >= usual + 700)
  for (let second = 0; second < 3; second++) lag.answered(1)
  t.true(lag.ms < usual + 700)
})

test('while we were busy nothing was heard', async t => {
  using lag = new Lag()
  await sleep(30)
  const until = performance.now() + 300
  while (performance.now() < until);
  await sleep(30)
  t.true(lag.ms >= usual + 200, `${lag.ms}`)
  lag.answered(1)
  t.true(lag.ms >= usual + 200, 'also after the next answer')
})
