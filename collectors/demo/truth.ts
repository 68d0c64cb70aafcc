import type { FlowEvent } from './event.ts'
import { directionName, dropReasonName, flowTypeName, phaseName, verdictName } from './hubble-numbers.ts'
import { Lives } from './lives.ts'
import { changesBetween } from './objects.ts'
import { readPlan } from './plan.ts'
import { second } from './story.ts'
import { Traffic } from './traffic.ts'

type Counts = Record<string, number>

/** What happened in a window, as the demo knows it and a measurement must find it. */
export interface Truth {
  /** RFC 3339; from the first up to, not including, the second. */
  from: string
  to: string
  flows: number
  verdicts: Counts
  types: Counts
  drop_reasons: Counts
  /** Flows that name a policy that denied them: kind/namespace/name. */
  denied_by: Counts
  /** Flows by who sent the packet and who was to get it: namespace/workload, host, or world. */
  edges: Counts
  /** L7 flows from client to server: `client > server protocol direction phase status`; the status of answers only. */
  requests: Counts
  /** Versions of objects that began or ended, by kind. */
  objects: Counts
}

function requestKey({ src, dst, reply, direction, l7 }: FlowEvent): string | undefined {
  if (!l7) return undefined
  const [client, server] = reply ? [dst, src] : [src, dst]
  const answer = phaseName(l7.phase) === 'response' ? ` ${l7.status}` : ''
  return `${client.label} > ${server.label} ${l7.protocol} ${directionName(direction)} ${phaseName(l7.phase)}${answer}`
}

function count(counts: Counts, key: string | undefined): void {
  if (key !== undefined) counts[key] = (counts[key] ?? 0) + 1
}

const addressee = ({ dst, service }: FlowEvent) => (service ? `service ${service.namespace}/${service.name}` : dst.label)

/** Counts what the demo whose plan is in `dataDir` sends from `from` to before `to` (milliseconds), whether anybody asked for it or not. */
export async function truth({ dataDir, from, to }: { dataDir: string; from: number; to: number }): Promise<Truth> {
  const plan = await readPlan(dataDir)
  if (!plan) throw new Error(`${dataDir}: expected the data directory of a demo, but there is no demo.json`)
  const [start, end] = [from * 1000, to * 1000]
  const [verdicts, types, drop_reasons, denied_by, edges, requests, objects] = Array.from({ length: 7 }, (): Counts => ({}))
  const traffic = new Traffic(plan)
  let flows = 0
  for (let tick = Math.max(plan.segments[0].from, Math.floor(start / second)); tick * second < end; tick++)
    for (const event of traffic.events(tick)) {
      if (event.time < start || event.time >= end) continue
      flows++
      count(verdicts, verdictName(event.verdict))
      count(types, flowTypeName(event.type))
      if (event.dropReason) count(drop_reasons, dropReasonName(event.dropReason))
      count(denied_by, event.deniedBy?.id)
      count(edges, `${event.src.label} > ${addressee(event)}`)
      count(requests, requestKey(event))
    }
  const origin = { seed: plan.seed, anchor: plan.anchor * second }
  for (const { kind } of changesBetween(origin, new Lives(origin.seed, origin.anchor), start, end)) count(objects, kind)
  const time = (ms: number) => new Date(ms).toISOString()
  return { from: time(from), to: time(to), flows, verdicts, types, drop_reasons, denied_by, edges, requests, objects }
}
