import { readFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'ava'

const page = await readFile('docs/traps.md', 'utf8')
const rows = [...page.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(([, number, cells]) => ({
  number: Number(number),
  tests: cells.split(' | ').at(-1)!,
}))

/** The tests a row names, each a link: its title, and the file it is in. */
const named = (tests: string) => [...tests.matchAll(/\[([^\]]+)\]\((\S+\.test\.ts)\)/g)].map(([, title, file]) => ({ title, file }))

test('every trap is on the page, in order, with a test', t => {
  t.deepEqual(
    rows.map(({ number }) => number),
    Array.from({ length: 35 }, (_, i) => i + 1),
  )
  for (const { number, tests } of rows) t.true(named(tests).length > 0, `trap ${number}`)
})

for (const { number, tests } of rows)
  test(`the tests that keep trap ${number} are there, under their titles`, async t => {
    for (const { title, file } of named(tests)) {
      const source = await readFile(path.join('docs', file), 'utf8')
      t.true(
        [`'${title}'`, `\`${title}\``].some(text => source.includes(text)),
        `${file}: ${title}`,
      )
    }
  })
