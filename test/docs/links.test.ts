import { existsSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'ava'

/** What a heading can be linked by, as GitHub makes it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')

const anchors = (text: string) => [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading))

const withoutCode = (text: string) => text.replaceAll(/^```[^]*?^```/gm, '')

test('every link from one page to another leads somewhere', async t => {
  for await (const file of glob('**/*.md', { exclude: ['node_modules', 'data'] }))
    for (const [, link] of withoutCode(await readFile(file, 'utf8')).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [target, anchor] = link.split('#')
      const other = target ? path.join(path.dirname(file), target) : file
      t.true(existsSync(other), `${file} links to ${link}`)
      if (anchor && existsSync(other)) t.true(anchors(await readFile(other, 'utf8')).includes(anchor), `${file} links to ${link}`)
    }
})
