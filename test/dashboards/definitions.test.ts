import test from 'ava'
import { dashboards } from '../../dashboards/index.ts'
import { planQuery } from '../../query-api/plan.ts'

for (const { name, panels } of dashboards) {
  for (const { title, question } of panels) {
    test(`${name}: the API can be asked for ${title}`, t => {
      const every = question.every === 'auto' ? 60 : question.every
      t.notThrows(() => planQuery({ ...question, metrics: [...question.metrics], by: [...(question.by ?? [])], every }, Date.now()))
    })
  }
}

test('names of dashboards are their own', t => {
  const names = dashboards.map(({ name }) => name)
  t.deepEqual(names, [...new Set(names)])
})
