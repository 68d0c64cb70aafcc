import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Bus } from '../../runtime/bus/bus.ts'
import { openEmbeddedBus } from '../../runtime/bus/embedded.ts'
import { nameTopic } from '../../schema/name.ts'
import { reattributionTopic } from '../../schema/reattribution.ts'
import { deadLetterTopic, kinds, topicsOf } from '../../schema/record.ts'
import { quietLog } from './clickhouse.ts'

/** An embedded bus of its own with every topic, removed at the end. */
export async function openTestBus(): Promise<{ bus: Bus; path: string } & AsyncDisposable> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-bus-'))
  const file = path.join(directory, 'bus.sqlite')
  const bus = await openEmbeddedBus({ path: file, log: quietLog })
  for (const kind of Object.values(kinds))
    for (const topic of topicsOf(kind)) await bus.ensureTopic(topic, { compacted: Boolean(kind.replacing) })
  await bus.ensureTopic(deadLetterTopic, { awaitReaders: false })
  await bus.ensureTopic(nameTopic, { awaitReaders: false })
  await bus.ensureTopic(reattributionTopic, { awaitReaders: false })
  return {
    bus,
    path: file,
    async [Symbol.asyncDispose]() {
      await bus[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
