import type { Flow } from '../../../schema/flow.ts'
import { type Away, type Life, second, unusedAddress } from './lives.ts'
import type { Random } from './random.ts'

/** What is true of an end. */
export interface Truth {
  /** Nothing for an address that nobody had. */
  life?: Life
  /** Whether whoever knows what was told, and how wrong clocks may be, can be sure. */
  determinable: boolean
  claim?: 'true' | 'false'
}

export interface Observed {
  record: Flow
  src: Truth
  dst: Truth
}

/** A message: flows that one collector sends together, and when they arrive. */
export interface Sent {
  at: number
  flows: Observed[]
}

interface Reporter {
  cluster: string
  name: string
  /** How much its clock is ahead, microseconds. */
  ahead: number
  leastDelay: number
}

export interface Traffic {
  lives: readonly Life[]
  clusters: readonly string[]
  away: Readonly<Record<string, Away>>
  from: number
  to: number
  perSecond: number
}

const sendEvery = 0.5 * second
/** Beside what clocks are wrong by: the least delay there is, and what is allowed for it to hide. */
const margin = 0.6 * second
const lateBy = 600 * second

/** Flows as agents on nodes report them: clocks up to two seconds wrong, each record some time after, and some ten minutes late. */
export function trafficOf(random: Random, traffic: Traffic): Sent[] {
  const reporters = traffic.clusters.flatMap(cluster =>
    Array.from({ length: 4 }, (_, number): Reporter => ({
      cluster,
      name: `node-${number}`,
      ahead: number === 0 ? 0 : number === 1 ? 2 * second : number === 2 ? -2 * second : random.between(-second, second),
      leastDelay: random.between(0.005 * second, 0.05 * second),
    })),
  )
  const messages = new Map<string, Sent>()
  const count = ((traffic.to - traffic.from) / second) * traffic.perSecond
  for (let number = 0; number < count; number++) {
    const time = Math.floor(traffic.from + ((number + random.between(0, 1)) * (traffic.to - traffic.from)) / count)
    const reporter = random.pick(reporters)
    const late = time - traffic.from > 60 * second && random.chance(0.02)
    const observed = observe(random, traffic, { reporter, time, late })
    const at = Math.ceil(observed.record.received! / sendEvery) * sendEvery
    const key = `${reporter.cluster}/${late}/${at}`
    const message = messages.get(key) ?? { at, flows: [] }
    messages.set(key, message)
    message.flows.push(observed)
  }
  return [...messages.values()].sort((a, b) => a.at - b.at)
}

function observe(
  random: Random,
  traffic: Traffic,
  { reporter, time, late }: { reporter: Reporter; time: number; late: boolean },
): Observed {
  const { cluster, name, ahead, leastDelay } = reporter
  const mine = traffic.lives.filter(life => life.cluster === cluster)
  const delay = leastDelay + random.between(0, 0.05 * second) + (late ? lateBy : 0)
  const end = () => endAt(random, traffic, { lives: mine, time, reporter })
  const [src, dst] = [end(), end()]
  return {
    record: {
      time: time + Math.round(ahead),
      received: Math.round(time + delay),
      source: 'agent',
      cluster,
      reporter: name,
      src_address: src.address,
      dst_address: dst.address,
      ...claimOf('src', src.claimed),
      ...claimOf('dst', dst.claimed),
    },
    src: src.truth,
    dst: dst.truth,
  }
}

interface Moment {
  lives: readonly Life[]
  time: number
  reporter: Reporter
}

function endAt(random: Random, { away }: Traffic, { lives, time, reporter }: Moment): { address: string; truth: Truth; claimed?: Life } {
  if (random.chance(0.05)) return { address: '203.0.113.7', truth: { determinable: true } }
  if (random.chance(0.05)) return { address: unusedAddress(Math.floor(time) % 97), truth: { determinable: true } }
  const alive = lives.filter(life => life.from <= time && time < life.to)
  const life = random.chance(0.95) ? random.pick(alive) : undefined
  const address = life?.address ?? random.pick(lives).address
  const owner = alive.find(one => one.address === address)
  const truth: Truth = { life: owner, determinable: isDeterminable({ lives, time, reporter }, address, owner, away[reporter.cluster]) }
  if (!owner || !random.chance(0.3)) return { address, truth }
  const wrong = random.chance(0.02) ? random.pick(alive) : owner
  return { address, truth: { ...truth, claim: wrong === owner ? 'true' : 'false' }, claimed: wrong }
}

/** Whether it was so for as long before and after as the clock may be wrong, and everything about it was seen to happen. */
function isDeterminable({ lives, time, reporter }: Moment, address: string, owner: Life | undefined, away: Away): boolean {
  const from = time - Math.max(0, -reporter.ahead) - margin
  const to = time + margin
  const isUnseen = from < away.to + 4 * second && to > away.from - 4 * second
  if (isUnseen) return false
  if (owner) return owner.from <= from && owner.to > to
  return (
    lives.every(life => life.address !== address || life.to <= from || life.from > to) && !wasUnseen(lives, address, away, { from, to })
  )
}

/** An end that nobody saw is somewhere in the time nobody watched, so what comes after is known again. */
const wasUnseen = (lives: readonly Life[], address: string, away: Away, { from, to }: Away) =>
  lives.some(life => life.address === address && life.to >= away.from && life.to < away.to && from < away.to && to > away.from)

const claimOf = (end: 'src' | 'dst', claimed?: Life): Flow =>
  claimed ? { [`${end}_pod`]: claimed.name, [`${end}_namespace`]: claimed.namespace } : {}
