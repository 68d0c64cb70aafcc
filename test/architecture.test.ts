import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import path from 'node:path'
import test from 'ava'
import { kinds } from '../schema/record.ts'

/** What each part may import of ours, besides itself. Services meet on the bus and in ClickHouse, never in code. */
const arrows: Record<string, readonly string[]> = {
  schema: [],
  runtime: ['schema'],
  collectors: ['schema', 'runtime'],
  enricher: ['schema', 'runtime'],
  'query-api': ['schema', 'runtime'],
  dashboards: ['schema'],
  deploy: ['schema', 'runtime', 'collectors', 'enricher', 'query-api', 'dashboards'],
}

/** Of these, types alone. */
const typesOnly: Record<string, readonly string[]> = { dashboards: ['query-api'] }

const imports = /^(?:import|export)\s+(type\s+)?[^'"]*?from\s+['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]\s*\)/gm

for (const [part, allowed] of Object.entries(arrows))
  test(`${part} imports only from ${[part, ...allowed].join(', ')}`, async t => {
    const wrong: string[] = []
    for await (const file of glob(`${part}/**/*.{ts,tsx}`, { exclude: ['dashboards/dist'] })) {
      for (const [, typed, target, dynamic] of readFileSync(file, 'utf8').matchAll(imports)) {
        const other = path.join(path.dirname(file), target ?? dynamic).split(path.sep)[0]
        const fine =
          other === part || other.startsWith('package.json') || allowed.includes(other) || (typed && typesOnly[part]?.includes(other))
        if (!fine) wrong.push(`${file} imports ${target ?? dynamic}`)
      }
    }
    t.deepEqual(wrong, [])
  })

test('a field that a step fills or completes names a step there is', async t => {
  const steps = new Set<string>()
  for await (const file of glob('enricher/steps/*.ts')) steps.add(path.basename(file, '.ts'))
  for (const kind of Object.values(kinds))
    for (const [name, field] of Object.entries(kind.fields))
      for (const step of [field.filledBy, field.completedBy]) t.true(!step || steps.has(step), `${kind.name}.${name}: ${step}`)
})
