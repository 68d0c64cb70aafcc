import { ping, probe, scrape } from './background.ts'
import { type Denial, beginningDenials, sentAgain, sentAgainAfter } from './denials.ts'
import { type Moment, callOutside, lookup, talk, visit } from './dialogues.ts'
import { edges } from './edges.ts'
import type { FlowEvent } from './event.ts'
import { Lives } from './lives.ts'
import { type Plan, flowsIn } from './plan.ts'
import { paymentToStripe, postgresToObjectStore } from './policies.ts'
import { Random, hashOf } from './random.ts'
import { Stage, world } from './scene.ts'
import { isFraudRestricted, load, second } from './story.ts'
import { denied } from './talk.ts'

interface Kind {
  weight: number
  /** Not while payments/restrict-fraud is there. */
  toFraud: boolean
  begin: (moment: Moment) => void
}

const kind = (weight: number, begin: Kind['begin'], toFraud = false): Kind => ({ weight, begin, toFraud })

/** What customers cause. */
const shopping: readonly Kind[] = [
  kind(15, visit),
  kind(10, lookup),
  kind(1.6, moment => callOutside(moment, 'payment', world.stripe, paymentToStripe)),
  kind(0.6, moment => callOutside(moment, 'postgres', world.objectStore, postgresToObjectStore)),
  ...edges
    .filter(edge => !edge.denied)
    .map(edge => kind(edge.weight, moment => talk(moment, edge), edge.client === 'checkout' && edge.server === 'fraud')),
]
const background: readonly Kind[] = [kind(3, probe), kind(1.5, scrape), kind(6, ping)]

/** Share of the flows of a second that customers cause when the load is 1. */
const shoppingShare = 0.74
const mostShopping = 0.92
/** Share of the flows of a second that denials may take. */
const mostDenials = 0.3

/** Draws a kind by its weight. */
function drawing(kinds: readonly Kind[]): (random: Random) => Kind {
  let sum = 0
  const ends = kinds.map(each => (sum += each.weight))
  return random => {
    const at = (random.next() / 4294967296) * sum
    return kinds[ends.findIndex(end => at < end)]
  }
}

const drawShopping = drawing(shopping)
const drawBackground = drawing(background)

/** The flows of each second, in the order of their times: a pure function of seed, anchor, rate and second. */
export class Traffic {
  readonly #plan: Plan
  readonly #seed: number
  readonly #denialSeed: number
  readonly #stage: Stage
  /** The denials that began in the last seconds asked for. */
  readonly #begun = new Map<number, Denial[]>()

  constructor(plan: Plan) {
    this.#plan = plan
    this.#seed = hashOf(plan.seed, 'traffic')
    this.#denialSeed = hashOf(plan.seed, 'denials')
    this.#stage = new Stage(new Lives(plan.seed, plan.anchor * second))
  }

  /** All that was seen in a second (of time since 1970). */
  events(tick: number): FlowEvent[] {
    const count = flowsIn(this.#plan, tick)
    if (!count) return []
    const start = tick * second
    const moment: Moment = {
      events: [],
      random: new Random(this.#seed, tick),
      scene: this.#stage.scene(start, start + second),
      start,
      load: load(start),
    }
    this.#deny(moment, tick, count * mostDenials)
    const restricted = isFraudRestricted(this.#plan.anchor * second, start)
    fill(moment, count * Math.min(mostShopping, shoppingShare * moment.load), drawShopping, each => !(restricted && each.toFraud))
    fill(moment, count, drawBackground, () => true)
    while (moment.events.length < count) ping(moment)
    return moment.events.sort((a, b) => a.time - b.time)
  }

  #deny({ events }: Moment, tick: number, most: number): void {
    const again = sentAgainAfter.flatMap(seconds => this.#denialsOf(tick - seconds).map(denial => sentAgain(denial, seconds)))
    for (const denial of [...this.#denialsOf(tick), ...again])
      if (denial && events.length < most) denied(events, denial.call, denial.at, denial.by)
  }

  #denialsOf(tick: number): Denial[] {
    const known = this.#begun.get(tick)
    if (known) return known
    if (this.#begun.size > 16) this.#begun.clear()
    const start = tick * second
    const denials = beginningDenials({
      random: new Random(this.#denialSeed, tick),
      scene: this.#stage.scene(start, start + second),
      start,
      flows: flowsIn(this.#plan, tick),
      fraudRestricted: isFraudRestricted(this.#plan.anchor * second, start),
    })
    this.#begun.set(tick, denials)
    return denials
  }
}

/** Adds conversations until there are `count` events: one that would be too long is left out, and ends it. */
function fill(moment: Moment, count: number, draw: (random: Random) => Kind, wanted: (kind: Kind) => boolean): void {
  const { events, random } = moment
  for (let vain = 0; events.length < count && vain < 20;) {
    const before = events.length
    const drawn = draw(random)
    if (wanted(drawn)) drawn.begin(moment)
    if (events.length === before) vain++
    if (events.length > count) {
      events.length = before
      return
    }
  }
}
