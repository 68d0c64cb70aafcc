import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** A recording of a real agent, or nothing where the recordings are not. */
export async function fixture(name: string): Promise<Buffer | undefined> {
  try {
    const bytes = await readFile(join(process.env.WEIR_FIXTURES ?? '../shared/fixtures', name))
    return name.endsWith('.gz') ? gunzipSync(bytes) : bytes
  } catch (error) {
    if (process.env.CI || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}
