import { glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'ava'
import { referencePages } from '../../deploy/reference/pages.ts'
import { type Setting, settings } from '../../deploy/settings.ts'
import { variables } from '../../deploy/config.ts'

const pages = await referencePages()

for (const [file, text] of Object.entries(pages))
  test(`docs/reference/${file} says what the code says`, async t => {
    const written = await readFile(new URL(`../../docs/reference/${file}`, import.meta.url), 'utf8').catch(() => '')
    t.true(written === text, `docs/reference/${file} is stale: run npm run reference`)
  })

test('docs/reference has no page that nothing makes', async t => {
  for await (const file of glob('docs/reference/*')) t.true(Object.hasOwn(pages, path.basename(file)), file)
})

test('every setting says what it is', t => {
  const isOfHubble = ({ path }: Setting) => path.includes('[].')
  const silent = [...settings()].filter(setting => !setting.schema.description && !isOfHubble(setting))
  t.deepEqual(
    silent.map(({ path }) => path),
    [],
  )
})

test('every variable stands for a setting there is', t => {
  const paths = new Set([...settings()].map(({ path }) => path))
  for (const [name, path] of Object.entries(variables)) t.true(paths.has(path), `${name}: ${path}`)
})

test('every instrument of the code is on the page of telemetry', async t => {
  for (const part of ['runtime', 'collectors', 'enricher', 'query-api', 'deploy'])
    for await (const file of glob(`${part}/**/*.ts`))
      for (const [, name] of (await readFile(file, 'utf8')).matchAll(/create\w+\(\s*[`'](weir\.[\w.]+)/g))
        t.true(pages['telemetry.md'].includes(name.replaceAll('.', '_')), `${file}: ${name} is missing in deploy/reference/telemetry.ts`)
})
