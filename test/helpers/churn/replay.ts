import { kubernetes } from '../../../enricher/steps/kubernetes.ts'
import { Draft } from '../../../enricher/step.ts'
import { ObjectTable } from '../../../enricher/tables/objects.ts'
import { Block } from '../../../runtime/block/block.ts'
import { openBlock } from '../../../runtime/block/message.ts'
import { objectKey } from '../../../schema/object.ts'
import { kinds } from '../../../schema/record.ts'
import { deliveredOf } from '../blocks.ts'
import { type Observed, type Sent, trafficOf } from './flows.ts'
import { type Away, livesOf, second } from './lives.ts'
import { randomOf } from './random.ts'
import { type Told, tellingOf } from './telling.ts'

export interface World {
  told: readonly Told[]
  sent: readonly Sent[]
  /** When the enricher starts. */
  start: number
}

export interface Attributed {
  observed: Observed
  row: Record<string, unknown>
  /** Whether all that was told of its cluster was known in time. */
  complete: boolean
}

const begin = 1_800_000_000e6
const length = 300 * second
const clusters = ['east', 'west']
const waits = 3 * second

/** A few minutes of two clusters with the same addresses. */
export function worldOf(seed: number, { perSecond = 40 } = {}): World {
  const random = randomOf(seed)
  const [from, to] = [begin, begin + length]
  const away: Record<string, Away> = Object.fromEntries(
    clusters.map((cluster, number) => [cluster, { from: begin + (120 + number * 60) * second, to: begin + (150 + number * 60) * second }]),
  )
  const lives = clusters.flatMap(cluster => livesOf(random, { cluster, addresses: 40, from, to }))
  const told = clusters
    .flatMap(cluster =>
      tellingOf(random, { lives: lives.filter(life => life.cluster === cluster), cluster, away: away[cluster], from, to }),
    )
    .sort((a, b) => a.at - b.at)
  const sent = trafficOf(random, { lives, clusters, away, from: from + 10 * second, to: to - 10 * second, perSecond })
  return { told, sent, start: begin + random.between(20, 100) * second }
}

/** What an enricher makes of it that starts in the middle, waits for heartbeats as long as it may, and hears what is told when it is told. */
export async function replay({ told, sent, start }: World): Promise<Attributed[]> {
  const objects = new ObjectTable()
  const step = kubernetes(objects)
  const attributed: Attributed[] = []
  let next = 0
  const hear = () => objects.add(told[next++].version)
  for (const version of compacted(told.slice(0, (next = told.findIndex(({ at }) => at > start))))) objects.add(version)
  let now = start
  for (const { at, flows } of sent) {
    now = Math.max(now, at)
    while (next < told.length && told[next].at <= now) hear()
    const draft = new Draft(
      kinds.flow,
      openBlock(
        await deliveredOf(
          'flow',
          flows.map(({ record }) => record),
        ),
      ),
    )
    const until = step.until!(draft)
    const reached = () => [...until].every(([cluster, time]) => objects.heartbeats.upTo(cluster) >= time)
    while (!reached() && next < told.length && told[next].at <= at + waits) {
      now = Math.max(now, told[next].at)
      hear()
    }
    if (!reached()) now = Math.max(now, at + waits)
    step.enrich(draft)
    const rows = new Block(draft.block.with(draft.written), kinds.flow).records()
    const complete = reached()
    rows.forEach((row, index) => attributed.push({ observed: flows[index], row, complete }))
  }
  return attributed
}

/** What is left on a topic that keeps the newest message of each key. */
function compacted(told: readonly Told[]) {
  const newest = new Map<string, Told['version']>()
  for (const { version } of told) {
    newest.delete(objectKey(version))
    newest.set(objectKey(version), version)
  }
  return newest.values()
}

/** The same once everything has been told. */
export async function again({ told }: World, rows: readonly Attributed[]): Promise<Record<string, unknown>[]> {
  const objects = new ObjectTable()
  for (const { version } of told) objects.add(version)
  const step = kubernetes(objects)
  const draft = new Draft(
    kinds.flow,
    openBlock(
      await deliveredOf(
        'flow',
        rows.map(({ observed }) => observed.record),
      ),
    ),
  )
  step.enrich(draft)
  return new Block(draft.block.with(draft.written), kinds.flow).records()
}
