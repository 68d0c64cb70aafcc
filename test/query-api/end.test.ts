import test from 'ava'
import fc from 'fast-check'
import { type Level, endFields, endNumber, endOf, levels } from '../../query-api/end.ts'
import { hasClickHouse, openTestDatabase } from '../helpers/clickhouse.ts'

const values: Readonly<Record<string, readonly string[]>> = {
  cluster: ['', 'one', 'two'],
  namespace: ['', 'shop'],
  workload: ['', 'cart'],
  workload_kind: ['', 'Deployment'],
  service: ['', 'shop/cart', 'cart', 'shop/mail'],
  service_account: ['', 'cart', 'mail'],
  pod: ['', 'cart-1', 'cart'],
  entity: ['', 'world', 'host', 'remote-node', 'kube-apiserver'],
  network: ['', 'partners'],
  dns_name: ['', 'api.example.com'],
}
const end = fc.record(Object.fromEntries(Object.entries(values).map(([name, of]) => [name, fc.constantFrom(...of)])))
const rows = fc.sample(fc.record({ cluster: fc.constantFrom('one', 'two'), end }), { numRuns: 400, seed: 7 })

for (const level of levels)
  test(`two ends have one number in SQL if and only if they are one node: of a ${level}`, async t => {
    if (!(await hasClickHouse(t))) return
    await using database = await openTestDatabase()
    const columns = ['cluster', ...Object.keys(values).map(name => `src_${name}`)]
    const data = rows.map(
      ({ cluster, end }) => `(${[cluster, ...Object.keys(values).map(name => end[name])].map(text => `'${text}'`).join(', ')})`,
    )
    const structure = columns.map(name => `${name} LowCardinality(String)`).join(', ')
    const numbers = await database.clickhouse.query<{ number: string }>(
      `SELECT toString(${endNumber('src', level)}) AS number FROM values('${structure}', ${data.join(', ')})`,
    )
    const ids = rows.map(row => idOf(row, level))
    t.is(numbers.rows.length, ids.length)
    const pairs = new Set(ids.map((id, i) => `${id} ${numbers.rows[i].number}`))
    t.is(pairs.size, new Set(ids).size, 'one number for each id')
    t.is(pairs.size, new Set(numbers.rows.map(({ number }) => number)).size, 'one id for each number')
  })

function idOf({ cluster, end }: (typeof rows)[number], level: Level): string {
  const known = Object.fromEntries(endFields[level].map(name => [`src_${name}`, end[name]]))
  return endOf({ cluster, ...known }, 'src', level).id
}
