import { mkdir, writeFile } from 'node:fs/promises'
import { referencePages } from './reference/pages.ts'

/** Writes docs/reference. */
const directory = new URL('../docs/reference/', import.meta.url)
await mkdir(directory, { recursive: true })
for (const [file, text] of Object.entries(await referencePages())) await writeFile(new URL(file, directory), text)
