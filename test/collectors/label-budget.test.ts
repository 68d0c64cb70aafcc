import test from 'ava'
import fc from 'fast-check'
import { openPublisher } from '../../collectors/publisher.ts'
import { openBlock } from '../../runtime/block/message.ts'
import { LabelBudget } from '../../runtime/block/label-budget.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { untilCaughtUp } from '../../runtime/bus/until-caught-up.ts'
import { type Instruments, component } from '../../runtime/telemetry.ts'
import { type Field, overflow } from '../../schema/field.ts'
import { kinds, topicOf } from '../../schema/record.ts'
import { openTestBus } from '../helpers/bus.ts'
import { quietLog } from '../helpers/clickhouse.ts'

/** The labels of a column of all requests on the bus, in order. */
async function published(bus: Bus, name: string): Promise<string[]> {
  const all: string[] = []
  for await (const message of untilCaughtUp(bus, topicOf(kinds.request), new AbortController().signal)) {
    const { keys, codes } = openBlock(message).labels(name)
    for (const code of codes) all.push(keys[code])
  }
  return all
}

test('texts that a client makes up fill a field with no more distinct ones than its budget: the rest is one value, and counted', async t => {
  await using own = await openTestBus()
  const left: Record<string, number> = {}
  const discarded: Instruments['discarded'] = (count, reason, { kind, field } = {}) => {
    if (count) left[`${reason} ${kind}.${field}`] = (left[`${reason} ${kind}.${field}`] ?? 0) + count
  }
  const instruments = { ...component('source', 'test'), discarded }
  await using outbox = openPublisher({ bus: own.bus, collector: 'test', log: quietLog, instruments, rowsPerBlock: 1000 })
  const most = kinds.request.fields.method.distinct!
  const made = Array.from({ length: most + 500 }, (_, i) => `M${i}`)
  for (const [i, method] of [...made, 'M0', made.at(-1)].entries()) {
    await outbox.ready()
    outbox.block('request').add({ time: i, method, src_workload: `w${i}` })
  }
  await outbox.flush()
  const methods = await published(own.bus, 'method')
  t.is(new Set(methods).size, most + 1)
  t.deepEqual(methods, [...made.slice(0, most), ...Array.from({ length: 500 }, () => overflow), 'M0', overflow])
  t.deepEqual(left, { 'over_cardinality request.method': 501 })
  t.is(new Set(await published(own.bus, 'src_workload')).size, methods.length, 'who it was is never folded')
})

test('a budget is renewed every hour, and what fits is left as it is', t => {
  const budget = new LabelBudget(2)
  const [hour, codes] = [3_600_000, new Uint16Array([0, 1, 2])]
  const within = (texts: string[], now: number) => budget.within({ keys: ['', ...texts], codes }, 3, now).keys
  t.deepEqual(within(['a', 'b'], hour), ['', 'a', 'b'])
  t.deepEqual(within(['b', 'c'], 2 * hour - 1), ['', 'b', overflow])
  t.is(budget.take(), 1)
  t.is(budget.take(), 0)
  t.deepEqual(within(['b', 'c'], 2 * hour), ['', 'b', 'c'])
})

test('whatever texts come in whatever blocks, the first so many stay what they are and the others are counted', t => {
  const texts = fc.array(fc.constantFrom('', overflow, ...'abcdefgh'), { maxLength: 12 })
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 8 }), fc.nat({ max: 5 }), (blocks, most) => {
      const budget = new LabelBudget(most)
      const kept = new Set([''])
      for (const rows of blocks) {
        const keys = ['', ...new Set(rows)].filter((key, i, all) => all.indexOf(key) === i)
        for (const key of keys) if (kept.size <= most && key !== overflow) kept.add(key)
        const codes = Uint16Array.from(rows, text => keys.indexOf(text))
        const { keys: after, codes: codesAfter } = budget.within({ keys, codes }, rows.length)
        const written = rows.map((_, row) => after[codesAfter[row]])
        t.deepEqual(
          written,
          rows.map(text => (kept.has(text) ? text : overflow)),
        )
        t.is(new Set(after).size, after.length, 'each text once')
        t.is(budget.take(), rows.filter(text => !kept.has(text)).length)
      }
    }),
    { numRuns: 500 },
  )
})

test('every text of a rollup that whoever sends traffic can make up has a budget; who an end is and what agents call things has none', t => {
  const open = (kind: 'flow' | 'request' | 'span') =>
    Object.entries<Field>(kinds[kind].fields)
      .filter(([, { type, rollup, values }]) => type === 'label' && rollup && !values)
      .filter(([name, { distinct }]) => !distinct && !/^(src|dst)_/.test(name))
      .map(([name]) => name)
  const ofAgents = ['source', 'cluster']
  const ofPolicies = ['policy_kind', 'policy_namespace', 'policy_name']
  t.deepEqual(open('flow'), ['source', 'exporter', 'cluster', 'drop_reason', ...ofPolicies])
  t.deepEqual(open('request'), [...ofAgents, 'response_flags', ...ofPolicies])
  t.deepEqual(open('span'), [...ofAgents, 'service_name'])
  t.is(kinds.request.fields.dns_query.distinct, undefined, 'names ends outside')
})
