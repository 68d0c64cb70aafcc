import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadObjects } from '../../../enricher/load.ts'
import { IdentityTable } from '../../../enricher/tables/identities.ts'
import { ObjectTable } from '../../../enricher/tables/objects.ts'
import { BlockBuilder } from '../../../runtime/block/builder.ts'
import { blockMessage } from '../../../runtime/block/message.ts'
import type { Bus, Message } from '../../../runtime/bus/bus.ts'
import { openEmbeddedBus } from '../../../runtime/bus/embedded.ts'
import { openLog } from '../../../runtime/log.ts'
import { type ObjectVersion, objectKey } from '../../../schema/object.ts'
import { kinds, topicOf } from '../../../schema/record.ts'

const topic = topicOf(kinds.object)
const messagesAtOnce = 2_000

/** How long it takes until an enricher that starts knows all versions that are on a bus in a file, each a message. */
export async function coldStart(versions: Iterable<ObjectVersion>): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-cold-start-'))
  try {
    const file = path.join(directory, 'bus.sqlite')
    await using writing = await openEmbeddedBus({ path: file, log: openLog({ level: 'error' }) })
    await writing.ensureTopic(topic, { compacted: true })
    const count = await publish(writing, versions)
    await writing[Symbol.asyncDispose]()
    await using bus = await openEmbeddedBus({ path: file, log: openLog({ level: 'error' }) })
    await load(bus, count)
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function publish(bus: Bus, versions: Iterable<ObjectVersion>): Promise<number> {
  const builder = new BlockBuilder(kinds.object, 1)
  let messages: Message[] = []
  let sequence = 0
  const send = async () => {
    await bus.publish(topic, messages)
    messages = []
  }
  for (const version of versions) {
    builder.reset()
    builder.add(version)
    messages.push({ ...(await blockMessage(builder, { collector: 'bench', run: 1, sequence: sequence++ })), key: objectKey(version) })
    if (messages.length === messagesAtOnce) await send()
  }
  await send()
  return sequence
}

async function load(bus: Bus, count: number): Promise<void> {
  const objects = new ObjectTable()
  const ending = new AbortController()
  const began = performance.now()
  const cpu = process.cpuUsage()
  const { followed } = await loadObjects(bus, [objects, new IdentityTable()], ending.signal, openLog({ level: 'error' }))
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const { rss } = process.memoryUsage()
  console.log(
    `${objects.versions} of ${count} versions loaded in ${seconds.toFixed(2)} s (${((user + system) / 1e6).toFixed(2)} s of processor time), resident ${(rss / 1e6).toFixed(0)} MB, peak ${(process.resourceUsage().maxRSS / 1000).toFixed(0)} MB`,
  )
  ending.abort()
  await followed
}
