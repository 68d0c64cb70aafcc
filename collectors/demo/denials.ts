import { callBetween, ephemeral } from './dialogues.ts'
import { type Policy, noFrontendToDatabases, noRecommendation, reportEgress, restrictFraud } from './policies.ts'
import type { Random } from './random.ts'
import { type Scene, world } from './scene.ts'
import { workload } from './shop.ts'
import { second } from './story.ts'
import type { Call } from './talk.ts'

/** A call no answer comes to. */
export interface Denial {
  at: number
  call: Call
  /** The policy that denies it; nobody where it is only that none allows it. */
  by: Policy | undefined
}

/** The kernel sends the first packet again after one second and after three. */
export const sentAgainAfter = [1, 3] as const

interface Forbidden {
  client: string
  /** Absent when the server is outside. */
  server?: string
  by?: Policy
  /** Tries as a share of all flows. */
  share: number
}

const always: readonly Forbidden[] = [
  { client: 'recommendation', server: 'payment', by: noRecommendation, share: 0.0014 },
  { client: 'frontend', server: 'postgres', by: noFrontendToDatabases, share: 0.001 },
  { client: 'report', share: 0.0035 },
]
const inTheStory: readonly Forbidden[] = [{ client: 'checkout', server: 'fraud', by: restrictFraud, share: 0.006 }]

/** The denials that begin in a second with `flows` flows. */
export function beginningDenials({
  random,
  scene,
  start,
  flows,
  fraudRestricted,
}: {
  random: Random
  scene: Scene
  start: number
  flows: number
  fraudRestricted: boolean
}): Denial[] {
  const forbidden = fraudRestricted ? [...always, ...inTheStory] : always
  return forbidden.flatMap(each => {
    const expected = flows * each.share
    const count = Math.floor(expected) + Number(random.chance(expected % 1))
    return Array.from({ length: count }, () => attempt(each, random, scene, start)).filter(denial => denial !== undefined)
  })
}

function attempt({ client: from, server: to, by }: Forbidden, random: Random, scene: Scene, start: number): Denial | undefined {
  const at = start + random.below(second - 20_000)
  const client = scene.replica(workload(from), random, at, at + 1_000)
  const server = to ? scene.replica(workload(to), random, at, at + 1_000) : world.registry
  if (!client || !server) return undefined
  const call = callBetween(client, server, random, false)
  return {
    at,
    by,
    call: { ...call, clientPort: ephemeral(random), serverPort: to ? call.serverPort : 443, egress: to ? call.egress : reportEgress },
  }
}

/** The same first packet, sent again later, while both ends are still there. */
export function sentAgain({ at, call, by }: Denial, seconds: number): Denial | undefined {
  const later = at + seconds * second
  const there = [call.client, call.server].every(({ pod }) => !pod || pod.to > later + 1_000)
  return there ? { at: later, call, by } : undefined
}
