import test from 'ava'
import fc from 'fast-check'
import { History, type Moment, type Sighting } from '../../../collectors/kubernetes/history.ts'
import { type ObjectVersion, objectKey, openEnd } from '../../../schema/object.ts'

const origin = { source: 'kubernetes', cluster: 'c' }
const live = (at: number): Moment => ({ at, sure: at, since: at })
const found = (at: number, sure: number): Moment => ({ at, sure, since: sure })

/** A history with what it has told, the newest of each version. */
function open() {
  const told = new Map<string, ObjectVersion>()
  const messages: ObjectVersion[] = []
  const history = new History(origin, version => {
    told.set(objectKey(version), version)
    messages.push(version)
  })
  return { history, told, messages }
}

type More = Omit<Partial<Sighting>, 'facts'> & { facts?: Sighting['facts'] }

const pod = (uid: string, address: string, { began = 0, facts = {}, ...more }: More = {}): Sighting => ({
  uid,
  facts: { kind: 'pod', namespace: 'shop', name: uid, addresses: address ? [address] : [], host_network: false, ...facts },
  began,
  coming: !address,
  ...more,
})

const lines = (told: Map<string, ObjectVersion>) =>
  [...told.values()].map(({ uid, valid_from, valid_to, ended_after }) => {
    const until = valid_to === openEnd ? '…' : ended_after ? `${ended_after}?${valid_to}` : valid_to
    return `${uid} ${valid_from}-${until}`
  })

const sec = 1_000_000

const cases: Record<string, [act: (history: History) => void, told: string[]]> = {
  'a pod begins when it has an address: not before it was heard of, not after it was seen': [
    history => {
      history.seen('pods', pod('a', '', { began: 9 }), live(10))
      history.seen('pods', pod('a', '1', { began: 12 }), live(15))
      history.seen('pods', pod('b', '', { began: 9 }), live(10))
      history.seen('pods', pod('b', '2', { began: 3 }), live(15))
      history.seen('pods', pod('c', '', { began: 9 }), live(10))
      history.seen('pods', pod('c', '3', { began: 99 }), live(15))
    },
    ['a 12-…', 'b 10-…', 'c 15-…'],
  ],
  'what a list finds began when it says, and not after the list': [
    history => {
      const listing = history.listing('pods', found(100, 0))
      listing.add(pod('a', '1', { began: 40 }))
      listing.add(pod('b', '2', { began: 400 }))
      listing.end()
    },
    ['a 40-…', 'b 100-…'],
  ],
  'nothing of a list that was given up counts': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      history.listing('pods', found(50, 20)).add(pod('b', '2'))
      const listing = history.listing('pods', found(60, 20))
      listing.add(pod('a', '1'))
      listing.end()
    },
    ['a 10-…'],
  ],
  'a heartbeat or a status that says nothing new makes no version': [
    history => {
      for (const at of [10, 20, 30]) history.seen('pods', pod('a', '1'), live(at))
    },
    ['a 10-…'],
  ],
  'other labels are another version': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      history.seen('pods', pod('a', '1', { facts: { labels: ['x=y'] } }), live(20))
    },
    ['a 10-20', 'a 20-…'],
  ],
  'an owner that becomes known corrects the version': [
    history => {
      history.seen('pods', pod('a', '1', { facts: { workload: 'a' } }), live(10))
      history.seen('pods', pod('a', '1', { facts: { workload: 'cart' } }), live(20))
    },
    ['a 10-…'],
  ],
  'a service that finds a pod soon after it began has selected it all along; later it makes a version, as does one that goes': [
    history => {
      const withServices = (...services: string[]) => pod('a', '1', { facts: { services } })
      history.seen('pods', withServices(), live(10))
      history.seen('pods', withServices('x'), live(5 * sec))
      history.seen('pods', withServices('x', 'y'), live(60 * sec))
      history.seen('pods', withServices('y'), live(61 * sec))
    },
    [`a 10-${60 * sec}`, `a ${60 * sec}-${61 * sec}`, `a ${61 * sec}-…`],
  ],
  'a pod ends when its containers have ended for good, and does not begin again': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      history.seen('pods', pod('a', '1', { over: true }), live(20))
      history.seen('pods', pod('a', '1', { over: true, facts: { labels: ['x=y'] } }), live(30))
      history.gone('pods', 'a', live(40))
    },
    ['a 10-20'],
  ],
  'a pod that was over before it was seen to run has run': [
    history => {
      history.seen('pods', pod('a', '', {}), live(10))
      history.seen('pods', pod('a', '1', { began: 12, over: true }), live(20))
    },
    ['a 12-20'],
  ],
  'a pod that ran while nobody looked has run, where its containers say so': [
    history => {
      const listing = history.listing('pods', found(100, 50))
      listing.add(pod('a', '1', { began: 60, over: true, surelyUntil: 70 }))
      listing.add(pod('old', '2', { began: 20, over: true, surelyUntil: 30 }))
      listing.end()
    },
    ['a 60-70?100'],
  ],
  'a new pod under an old name is another one': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      const listing = history.listing('pods', found(50, 20))
      listing.add(pod('b', '9', { began: 30, facts: { name: 'a' } }))
      listing.end()
    },
    ['a 10-20?50', 'b 30-…'],
  ],
  'what was found missing ended after it was surely there': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      history.listing('pods', found(50, 20)).end()
    },
    ['a 10-20?50'],
  ],
  'an address is handed on when the one before was deleted, however early the next says it began': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      history.seen('pods', pod('b', '', { began: 12 }), live(12))
      history.gone('pods', 'a', live(20))
      history.seen('pods', pod('b', '1', { began: 13 }), live(25))
    },
    ['a 10-20', 'b 20-…'],
  ],
  'or when its last container ended, where that is known': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      history.seen('pods', pod('b', '', { began: 12 }), live(12))
      history.gone('pods', 'a', live(20), 17)
      history.seen('pods', pod('b', '1', { began: 13 }), live(25))
    },
    ['a 10-20', 'b 17-…'],
  ],
  'of one that was asked to end it is not sure that it still had its address': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      history.seen('pods', pod('b', '', { began: 11 }), live(11))
      history.seen('pods', pod('a', '1', { surelyUntil: 14 }), live(14))
      history.seen('pods', pod('b', '1', { began: 11 }), live(20))
      history.gone('pods', 'a', live(22))
    },
    ['a 10-20', 'b 14-…'],
  ],
  'word takes its time: who comes may have come before it was told that the one before is gone': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      history.gone('pods', 'a', { at: 20, sure: 20, since: 15 })
      history.seen('pods', pod('b', '', { began: 12 }), { at: 21, sure: 21, since: 16 })
      history.seen('pods', pod('b', '1', { began: 12 }), live(25))
    },
    ['a 10-20', 'b 16-…'],
  ],
  'who is seen with an address has it, whatever was not yet told of the one before': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      history.seen('pods', pod('b', '', { began: 11 }), live(11))
      history.seen('pods', pod('b', '1', { began: 12 }), live(20))
      history.gone('pods', 'a', live(22))
    },
    ['a 10-20', 'b 20-…'],
  ],
  'who was found missing may have handed on since it was surely there': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      const listing = history.listing('pods', found(50, 20))
      listing.add(pod('b', '1', { began: 5 }))
      listing.end()
    },
    ['a 10-20?50', 'b 20-…'],
  ],
  'pods on the host network share their addresses': [
    history => {
      history.seen('pods', pod('a', '1', { facts: { host_network: true } }), live(10))
      history.seen('pods', pod('b', '1', { facts: { host_network: true } }), live(20))
      history.gone('pods', 'a', live(30))
    },
    ['a 10-30', 'b 20-…'],
  ],
  'two pods that have one address for long have it both': [
    history => {
      history.seen('pods', pod('a', '1'), live(10))
      history.seen('pods', pod('b', '1'), live(20))
      history.gone('pods', 'a', live(100 * sec))
    },
    [`a 10-${100 * sec}`, 'b 20-…'],
  ],
  'services may share addresses, and labels of other kinds make versions too': [
    history => {
      const service = (uid: string, labels: string[]) => ({ uid, facts: { kind: 'service', addresses: ['9'], labels } as const, began: 0 })
      history.seen('services', { ...service('a', []), facts: { kind: 'service', addresses: ['9'] } }, live(10))
      history.seen('services', { uid: 'b', facts: { kind: 'service', addresses: ['9'] }, began: 0 }, live(11))
      history.seen('services', { uid: 'a', facts: { kind: 'service', addresses: ['9'], labels: ['x=y'] }, began: 0 }, live(12))
    },
    ['a 10-12', 'b 11-…', 'a 12-…'],
  ],
}

for (const [title, [act, expected]] of Object.entries(cases))
  test(title, t => {
    const { history, told } = open()
    act(history)
    t.deepEqual(lines(told).sort(), expected.sort())
  })

test('what stands goes on after a restart, and nothing is told again', t => {
  const { history, messages } = open()
  const standing: ObjectVersion = { ...origin, ...pod('a', '1').facts, uid: 'a', time: 10, valid_from: 10, valid_to: openEnd }
  history.restore('pods', [standing])
  const listing = history.listing('pods', found(50, 20))
  listing.add(pod('a', '1', { began: 3 }))
  listing.end()
  t.deepEqual(messages, [])
})

test('of two versions that both stand, for somebody died between telling of one and ending the other, the later goes on', t => {
  const { history, told } = open()
  const version = (valid_from: number, labels: string[]): ObjectVersion => ({
    ...origin,
    ...pod('a', '1').facts,
    labels,
    uid: 'a',
    valid_from,
    valid_to: openEnd,
  })
  history.restore('pods', [version(20, ['x=y']), version(10, [])])
  t.deepEqual(lines(told), ['a 10-20'])
})

/** One thing that happens in a made-up cluster, to one of a few pods with few addresses. */
const happening = fc.record({
  what: fc.constantFrom('start', 'label', 'finish', 'delete', 'gap', 'relist', 'restart'),
  pod: fc.nat(5),
  address: fc.nat(2),
})

interface Life {
  uid: string
  address: string
  from: number
  to: number
}

test('whatever happens and whenever it is killed: versions agree with what was there, and are never surely there when they were not', t => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60 }), fc.nat(60), (happenings, cut) => {
      const world = new World(cut)
      for (const each of happenings) world.happen(each)
      world.relist()
      world.check()
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

/** A cluster that is watched, not watched, listed, and whose watcher is killed; with the truth beside. */
class World {
  #time = 1000
  #next = 0
  #sure = 0
  #isWatched = true
  readonly #cut: number
  readonly #lives: Life[] = []
  readonly #alive = new Map<number, Life & { labels: string[]; over: boolean }>()
  readonly #bus = new Map<string, ObjectVersion>()
  #published = 0
  #history: History

  constructor(cut: number) {
    this.#cut = cut
    this.#history = this.#begin()
  }

  happen({ what, pod: at, address }: { what: string; pod: number; address: number }): void {
    this.#time += 10
    const known = this.#alive.get(at)
    if (what === 'gap') this.#isWatched = false
    else if (what === 'relist') this.relist()
    else if (what === 'restart') this.#restart()
    else if (what === 'start') this.#start(at, String(address))
    else if (known && what === 'delete') this.#delete(at)
    else if (known && what === 'finish' && !known.over) {
      known.over = true
      this.#end(known.uid)
      this.#show(at)
    } else if (known && what === 'label') {
      known.labels = [...known.labels, 'x=y']
      this.#show(at)
    }
    if (this.#isWatched) this.#sure = this.#time
  }

  relist(): void {
    const listing = this.#history.listing('pods', found(this.#time, this.#sure))
    for (const at of this.#alive.keys()) listing.add(this.#sighting(at))
    listing.end()
    this.#isWatched = true
    this.#recover()
    this.#sure = this.#time
  }

  check(): void {
    const versions = [...this.#bus.values()]
    const open = versions.filter(({ valid_to }) => valid_to === openEnd).map(({ uid }) => uid)
    const running = [...this.#alive.values()].filter(({ over }) => !over).map(({ uid }) => uid)
    assertSame(open.sort(), running.sort(), 'what is open is there')
    for (const { uid, valid_from = 0, valid_to = 0, ended_after } of versions) {
      const life = this.#lives.find(each => each.uid === uid)!
      const sureTo = ended_after || valid_to
      if (valid_from < life.from || Math.min(sureTo, openEnd) > life.to) throw new Error(`${uid} is surely there when it is not`)
      for (const other of versions)
        if (other.uid === uid && other.valid_from! > valid_from && valid_to > other.valid_from!) throw new Error(`${uid} has two versions`)
    }
  }

  #begin(): History {
    return new History(origin, version => {
      // Killed somewhere: what would have come after never does.
      if (this.#published++ === this.#cut) this.#isKilled = true
      if (!this.#isKilled) this.#bus.set(objectKey(version), version)
    })
  }

  #isKilled = false

  #restart(): void {
    this.#history = this.#begin()
    this.#history.restore('pods', this.#bus.values())
    this.relist()
  }

  #start(at: number, address: string): void {
    if (this.#alive.has(at) || [...this.#alive.values()].some(other => other.address === address && !other.over)) return
    const life = { uid: `pod-${this.#next++}`, address, from: this.#time, to: openEnd, labels: [], over: false }
    this.#lives.push(life)
    this.#alive.set(at, life)
    this.#show(at)
  }

  #delete(at: number): void {
    const { uid, over } = this.#alive.get(at)!
    this.#alive.delete(at)
    if (!over) this.#end(uid)
    if (this.#isWatched) this.#history.gone('pods', uid, live(this.#time))
    this.#recover()
  }

  #end(uid: string): void {
    this.#lives.find(each => each.uid === uid)!.to = this.#time
  }

  #show(at: number): void {
    if (this.#isWatched) this.#history.seen('pods', this.#sighting(at), live(this.#time))
    this.#recover()
  }

  /** Whoever was killed is started again. */
  #recover(): void {
    if (!this.#isKilled) return
    this.#isKilled = false
    this.#restart()
  }

  #sighting(at: number): Sighting {
    const { uid, address, from, labels, over } = this.#alive.get(at)!
    return pod(uid, address, { began: from, facts: { labels }, over })
  }
}

function assertSame(actual: unknown[], expected: unknown[], what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`)
}
