import { ask, counted } from './weir.ts'

interface Policy {
  kind?: string
  namespace?: string
  name: string
}

/** A flow in the JSON of Hubble's command line: what is zero is absent. */
interface RecordedFlow {
  uuid: string
  time: string
  node_name: string
  verdict?: string
  Type?: string
  traffic_direction?: string
  drop_reason_desc?: string
  event_type?: { type: number }
  egress_allowed_by?: Policy[]
  ingress_allowed_by?: Policy[]
  egress_denied_by?: Policy[]
  ingress_denied_by?: Policy[]
  l7?: { type: string; http?: { code?: number; method: string }; dns?: { rcode?: number }; kafka?: { error_code?: number } }
}

export interface Recording {
  flows: RecordedFlow[]
  losses: { source: string; num_events_lost: string }[]
}

/** How many records there are of each kind of thing that matters to somebody, by what it is about. */
export type Counts = Record<'verdict' | 'type' | 'dropReason' | 'policy' | 'decision' | 'l7', Record<string, number>>

const add = (counts: Record<string, number>, key: readonly unknown[], count = 1) => {
  const text = key.join(' ')
  counts[text] = (counts[text] ?? 0) + count
}
const noCounts = (): Counts => ({ verdict: {}, type: {}, dropReason: {}, policy: {}, decision: {}, l7: {} })
const lowerCase = (text = 'unknown') => text.toLowerCase()
const referenceTo = ({ kind = '', namespace = '', name }: Policy) => `${kind}/${namespace}/${name}`
const events: Record<number, string> = { 1: 'drop', 4: 'trace', 5: 'policy_verdict', 7: 'trace_sock', 129: 'l7' }

/** Counts what was recorded, each flow once. */
export function countRecorded(flows: readonly RecordedFlow[]): Counts {
  const counts = noCounts()
  for (const flow of new Map(flows.map(flow => [flow.uuid, flow])).values()) countFlow(counts, flow)
  return counts
}

function countFlow(counts: Counts, flow: RecordedFlow): void {
  const verdict = lowerCase(flow.verdict)
  const reason = flow.drop_reason_desc?.toLowerCase() ?? ''
  add(counts.verdict, [verdict])
  add(counts.type, [lowerCase(flow.Type)])
  add(counts.dropReason, [verdict, events[flow.event_type?.type ?? 0], lowerCase(flow.traffic_direction), reason])
  for (const direction of ['egress', 'ingress'] as const)
    for (const decision of ['allowed', 'denied'] as const)
      for (const policy of flow[`${direction}_${decision}_by`] ?? []) add(counts.policy, [direction, decision, referenceTo(policy)])
  const decided = decidingPolicy(flow)
  add(counts.decision, [verdict, reason, decided ? referenceTo(decided) : '//'])
  if (!flow.l7) return
  const { type, http, dns, kafka } = flow.l7
  const [protocol, status = 0] = http ? ['http', http.code] : dns ? ['dns', dns.rcode] : ['kafka', kafka?.error_code]
  add(counts.l7, [protocol, lowerCase(type), verdict, status])
}

function decidingPolicy(flow: RecordedFlow): Policy | undefined {
  const [allowed] = [...(flow.egress_allowed_by ?? []), ...(flow.ingress_allowed_by ?? [])]
  const [denied] = [...(flow.egress_denied_by ?? []), ...(flow.ingress_denied_by ?? [])]
  return flow.verdict === 'DROPPED' || flow.verdict === 'AUDIT' ? denied : allowed
}

/** Microseconds since 1970, as they are stored. */
export function microsOf(time: string): number {
  const [seconds, fraction = ''] = time.slice(0, -1).split('.')
  return Date.parse(`${seconds}Z`) * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6))
}

export interface StoredRange {
  from: string
  to?: string
  /** Filter that holds for flows and requests. */
  where?: string
}

type Row = [...string[], number]

/** Counts what is stored, by asking the API. */
export async function countStored(url: string, { from, to = 'now', where = '' }: StoredRange): Promise<Counts> {
  const stored = (kind: 'flow' | 'request', by: string[]) => counted(url, { kind, by, from, to, where })
  const counts = noCounts()
  const tally = (into: Record<string, number>, rows: Row[]) => rows.forEach(row => add(into, row.slice(0, -1), Number(row.at(-1))))
  tally(counts.verdict, await stored('flow', ['verdict']))
  tally(counts.type, await stored('flow', ['type']))
  tally(counts.dropReason, await stored('flow', ['verdict', 'event', 'direction', 'drop_reason']))
  for (const decision of ['allowed', 'denied'])
    for (const [direction, policies, count] of await stored('flow', ['direction', `${decision}_by`]))
      for (const policy of String(policies).split(',').filter(Boolean)) add(counts.policy, [direction, decision, policy], Number(count))
  for (const [verdict, reason, kind, namespace, name, count] of await stored('flow', ['verdict', 'drop_reason', ...policyFields]))
    add(counts.decision, [verdict, reason, [kind, namespace, name].join('/')], Number(count))
  tally(counts.l7, await stored('request', ['protocol', 'phase', 'verdict', 'status_code']))
  return counts
}

const policyFields = ['policy_kind', 'policy_namespace', 'policy_name']

/** Records lost, by why, and how often it is not known how many, as the API's `quality` tells. */
export async function lossesTold(
  url: string,
  range: { from: string },
): Promise<{ lost: Record<string, number>; gaps: Record<string, number> }> {
  const response = await ask(`${url}/api/v1/quality?${new URLSearchParams({ to: 'now', ...range }).toString()}`)
  const { losses } = (await response.json()) as { losses: { reason: string; count: number; gaps: number }[] }
  const told = { lost: {}, gaps: {} }
  for (const { reason, count, gaps } of losses) {
    if (count) add(told.lost, [reason], count)
    if (gaps) add(told.gaps, [reason], gaps)
  }
  return told
}

export interface ToldGap {
  reporter: string
  reason: string
  since: string
  until: string
}

/** The first time of which it was told that it is not known how much was missed. */
export async function gapTold(url: string, range: { from: string }): Promise<ToldGap | undefined> {
  const params = new URLSearchParams({ to: 'now', ...range, where: 'known = false' })
  const response = await ask(`${url}/api/v1/records/loss?${params.toString()}`)
  return ((await response.json()) as { rows: ToldGap[] }).rows.at(-1)
}

export const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0)

/** What is not as it was recorded, one line for each count. */
export function differences(recorded: Counts, stored: Counts): string[] {
  return (Object.keys(recorded) as (keyof Counts)[]).flatMap(subject =>
    [...new Set([recorded, stored].flatMap(counts => Object.keys(counts[subject])))]
      .map(key => [key, recorded[subject][key] ?? 0, stored[subject][key] ?? 0] as const)
      .filter(([, truth, found]) => truth !== found)
      .map(([key, truth, found]) => `${subject} ${key}: ${truth} recorded, ${found} stored`),
  )
}
