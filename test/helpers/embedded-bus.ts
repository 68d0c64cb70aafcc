import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedBusOptions, openEmbeddedBus } from '../../runtime/bus/embedded.ts'
import { openLog } from '../../runtime/log.ts'

const silent = openLog({ write: () => {} })

/** A path for a bus in a directory of its own. */
export async function start() {
  const directory = await mkdtemp(join(tmpdir(), 'weir-bus-'))
  return {
    where: join(directory, 'bus.sqlite'),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

export const connect = (where: string, options: Partial<EmbeddedBusOptions> = {}) =>
  openEmbeddedBus({ path: where, log: silent, reserveBytes: 100_000, ...options })
