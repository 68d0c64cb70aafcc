import type { Plan } from './plan.ts'
import type { Session } from './session.ts'
import { text, uint } from './wire.ts'

/** IANA's numbers of what options tell. */
const ids = {
  ingressInterface: 10,
  egressInterface: 14,
  samplingInterval: 34,
  samplerId: 48,
  samplerRandomInterval: 50,
  interfaceName: 82,
  interfaceDescription: 83,
  systemInitTimeMilliseconds: 160,
  notSentFlowTotalCount: 166,
  selectorId: 302,
  samplingPacketInterval: 305,
  samplingPacketSpace: 306,
  samplingSize: 309,
  samplingPopulation: 310,
  samplingProbability: 311,
} as const

const maxName = 256

/** Takes what a record of options says of sampling, interfaces and start. Returns how many flows the exporter says it did not send. */
export function takeOptions(
  { template, fieldOf }: Plan,
  { offsets, lengths }: Pick<Plan, 'offsets' | 'lengths'>,
  record: { bytes: Uint8Array; start: number; session: Session },
): number {
  const { bytes, start, session } = record
  const number = (id: number) => {
    const field = fieldOf.get(id)
    if (field === undefined || lengths[field] === 0 || lengths[field] > 8) return undefined
    return uint(bytes, start + offsets[field], lengths[field])
  }
  const words = (id: number) => {
    const field = fieldOf.get(id)
    return field === undefined ? '' : text(bytes, start + offsets[field], Math.min(lengths[field], maxName))
  }
  const index = number(ids.ingressInterface) ?? number(ids.egressInterface)
  const name = words(ids.interfaceName) || words(ids.interfaceDescription)
  if (index !== undefined && name) session.nameInterface(index, name)
  session.systemInit = number(ids.systemInitTimeMilliseconds) ?? session.systemInit
  const probability = fieldOf.get(ids.samplingProbability)
  const weight = probability === undefined ? weightOf(number) : 1 / float(bytes, start + offsets[probability], lengths[probability])
  if (weight !== undefined) setWeight(session, weight, { sampler: number(ids.samplerId) ?? number(ids.selectorId), index })
  return notSent(session, number(ids.notSentFlowTotalCount), template.id)
}

function weightOf(number: (id: number) => number | undefined): number | undefined {
  const interval = number(ids.samplingPacketInterval)
  const population = number(ids.samplingPopulation)
  if (interval) return (interval + (number(ids.samplingPacketSpace) ?? 0)) / interval
  if (population) return population / (number(ids.samplingSize) || 1)
  return number(ids.samplerRandomInterval) ?? number(ids.samplingInterval)
}

function setWeight({ sampling }: Session, weight: number, { sampler, index }: { sampler?: number; index?: number }): void {
  if (sampler !== undefined) sampling.setSampler(sampler, weight)
  else if (index !== undefined) sampling.setInterface(index, weight)
  else sampling.setAll(weight)
}

/** The counter is a total; what it grew by since it was last told. */
function notSent(session: Session, total: number | undefined, template: number): number {
  if (total === undefined) return 0
  const key = String(template)
  const before = session.notSent.get(key)
  session.notSent.set(key, total)
  return before === undefined ? 0 : Math.max(0, total - before)
}

function float(bytes: Uint8Array, at: number, length: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, length)
  return length === 8 ? view.getFloat64(0) : length === 4 ? view.getFloat32(0) : NaN
}
