import { setImmediate as pause } from 'node:timers/promises'
import { openBlock } from '../../runtime/block/message.ts'
import type { Bus, Delivered } from '../../runtime/bus/bus.ts'
import { untilCaughtUp } from '../../runtime/bus/until-caught-up.ts'
import { versionReader } from '../../runtime/object-message.ts'
import { type ObjectVersion, knowledgeKinds, openEnd } from '../../schema/object.ts'
import type { Kept } from './due.ts'

/** A source of objects of one cluster, microseconds. */
export interface Teller {
  source: string
  cluster: string
  /** When anything came of it. */
  heard: number
  /** When it last told of an object, or up to when all is told. */
  told: number
  /** Keys of what it says to show that it is there; a source that never did may just have nothing to say. */
  signs: string[]
}

export interface Survey {
  /** Versions by their object, but for those that say how much is known. */
  objects: Map<string, Kept[]>
  tellers: Teller[]
}

const pauseEvery = 1_000

/** Marks what an enricher says in the place of a source that is gone. */
export const insteadHeader = 'instead'

const versionsIn = versionReader(['source', 'cluster', 'kind', 'uid', 'valid_from', 'valid_to'])

/** Looks through all that is on a topic of objects. What cannot be read is left alone. */
export async function survey(bus: Pick<Bus, 'follow'>, topic: string, signal: AbortSignal): Promise<Survey> {
  const newest = new Map<string, Kept>()
  const tellers = new Map<string, Teller>()
  await eachMessage({ bus, topic, signal }, message => {
    const { key = '', time, tombstone } = message
    if (tombstone) return void newest.delete(key)
    const version = versionIn(message)
    if (!version) return
    hear(tellers, version, message)
    const { cluster = '', kind, uid = '', valid_from: from = 0, valid_to: to = openEnd } = version
    if (knowledgeKinds.includes(kind!)) return
    newest.set(key, { key, object: `${cluster}/${kind}/${uid}`, from, to, told: time * 1000 })
  })
  return { objects: Map.groupBy(newest.values(), ({ object }) => object), tellers: [...tellers.values()] }
}

/** Which of those sources are gone still, and what they left open, as it was told. */
export async function leftOpen(
  bus: Pick<Bus, 'follow'>,
  topic: string,
  gone: readonly Teller[],
  signal: AbortSignal,
): Promise<{ gone: Teller[]; open: ObjectVersion[] }> {
  const open = new Map<string, ObjectVersion>()
  const heardNow = new Map<string, Teller>()
  const is = (one: Teller, { source = '', cluster = '' }: ObjectVersion | Teller) => one.source === source && one.cluster === cluster
  await eachMessage({ bus, topic, signal }, message => {
    const { key = '', tombstone } = message
    open.delete(key)
    const told = tombstone ? undefined : versionIn(message)
    if (told) hear(heardNow, told, message)
    if (!told || !gone.some(one => is(one, told)) || knowledgeKinds.includes(told.kind!) || (told.valid_to ?? openEnd) < openEnd) return
    for (const version of openBlock(message).records() as Iterable<ObjectVersion>) open.set(key, version)
  })
  const silent = gone.filter(one => ![...heardNow.values()].some(other => is(one, other) && other.heard > one.heard))
  return { gone: silent, open: [...open.values()].filter(version => silent.some(one => is(one, version))) }
}

interface Reading {
  bus: Pick<Bus, 'follow'>
  topic: string
  signal: AbortSignal
}

async function eachMessage({ bus, topic, signal }: Reading, take: (message: Delivered) => void): Promise<void> {
  let seen = 0
  for await (const message of untilCaughtUp(bus, topic, signal)) {
    if (message.key !== undefined) take(message)
    // Records are enriched meanwhile.
    if (++seen % pauseEvery === 0) await pause()
  }
}

function versionIn(message: Delivered): ObjectVersion | undefined {
  try {
    return versionsIn(message)[0]
  } catch {
    return undefined
  }
}

function hear(
  tellers: Map<string, Teller>,
  { source = '', cluster = '', kind }: ObjectVersion,
  { key = '', time, headers }: Delivered,
): void {
  if (kind === 'history' || insteadHeader in headers) return
  const name = `${source}\0${cluster}`
  const known = tellers.get(name) ?? { source, cluster, heard: 0, told: 0, signs: [] }
  tellers.set(name, known)
  known.heard = Math.max(known.heard, time * 1000)
  if (kind !== 'source') known.told = Math.max(known.told, time * 1000)
  if ((kind === 'source' || kind === 'cluster') && !known.signs.includes(key)) known.signs.push(key)
}
