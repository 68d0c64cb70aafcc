import { type ObjectVersion, openEnd } from '../../../schema/object.ts'
import { type Away, type Life, second } from './lives.ts'
import type { Random } from './random.ts'

/** What a source of objects puts on the bus, and when. */
export interface Told {
  at: number
  version: ObjectVersion
}

export interface Telling {
  lives: readonly Life[]
  cluster: string
  away: Away
  from: number
  to: number
}

const heartbeatEvery = second

/**
 * What a source that watches the API would tell of the lives: each beginning and end some time after it happened, now and then seconds after; what happened
 * while it was away when it is back, as far as that can be known then; and every second up to when that is all.
 */
export function tellingOf(random: Random, { lives, cluster, away, from, to }: Telling): Told[] {
  const told = [...nodesOf(cluster, from)]
  const isAway = (time: number) => time >= away.from && time < away.to
  /** What has happened and when it is told. */
  const events: { time: number; at: number }[] = []
  /** When each object was last told of: it is told of in the order of what happened to it. */
  const last = new Map<string, number>()
  const tell = (time: number, version: ObjectVersion) => {
    const delay = random.chance(0.02) ? random.between(second, 2.5 * second) : random.between(0.02 * second, 0.3 * second)
    const soon = Math.max(time, from) + delay
    const noticed = isAway(soon) || isAway(time) ? Math.max(soon, away.to + random.between(0, 0.2 * second)) : soon
    const at = Math.max(noticed, last.get(version.uid!) ?? 0)
    last.set(version.uid!, at)
    events.push({ time, at })
    told.push({ at, version: { ...version, time: Math.floor(at) } })
  }
  for (const life of lives) {
    // Whoever came and went while nobody watched is never heard of.
    if (isAway(life.from) && isAway(life.to)) continue
    const version = versionOf(life)
    tell(life.from, version)
    if (life.to > to) continue
    const unseen = isAway(life.to) ? { valid_to: Math.floor(away.to), ended_after: Math.floor(away.from) } : { valid_to: life.to }
    tell(life.to, { ...version, ...unseen })
  }
  events.sort((a, b) => a.time - b.time)
  return [...told, ...heartbeats(events, { cluster, isAway, from, to })].sort((a, b) => a.at - b.at)
}

/** Complete up to just before the first thing that has happened and is still to be told. */
function heartbeats(
  events: readonly { time: number; at: number }[],
  { cluster, isAway, from, to }: { cluster: string; isAway: (time: number) => boolean; from: number; to: number },
): Told[] {
  const beats: Told[] = []
  for (let at = from + heartbeatEvery; at < to + 10 * second; at += heartbeatEvery) {
    if (isAway(at) || isAway(at - heartbeatEvery)) continue
    const untold = events.find(event => event.time <= at && event.at > at - 0.01 * second)
    const time = Math.floor(Math.min(at - 0.01 * second, untold ? untold.time - 1 : Infinity))
    beats.push({
      at,
      version: { time, source: 'kubernetes', cluster, kind: 'cluster', name: cluster, uid: cluster, valid_from: 0, valid_to: openEnd },
    })
  }
  return beats
}

const versionOf = ({ cluster, name, namespace, workload, node, address, from }: Life): ObjectVersion => ({
  source: 'kubernetes',
  cluster,
  kind: 'pod',
  namespace,
  name,
  uid: name,
  workload,
  workload_kind: 'Deployment',
  node,
  addresses: [address],
  valid_from: from,
  valid_to: openEnd,
})

const nodesOf = (cluster: string, from: number): Told[] =>
  Array.from({ length: 4 }, (_, number) => ({
    at: from,
    version: {
      time: from,
      source: 'kubernetes',
      cluster,
      kind: 'node',
      name: `node-${number}`,
      uid: `${cluster}-node-${number}`,
      addresses: [`192.168.0.${number + 1}`],
      zone: `zone-${number % 2}`,
      spec: JSON.stringify({ podCIDRs: [`10.1.${number}.0/24`] }),
      valid_from: 0,
      valid_to: openEnd,
    },
  }))
