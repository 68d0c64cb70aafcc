import test from 'ava'
import fc from 'fast-check'
import { writeAddress } from '../../../runtime/block/address.ts'
import { AddressTable, doubts, entityOf, isCrowd, notFound } from '../../../enricher/tables/address-table.ts'
import { IdentityTable } from '../../../enricher/tables/identities.ts'
import { attributes } from '../../../enricher/tables/entities.ts'
import { ObjectTable } from '../../../enricher/tables/objects.ts'
import { type ObjectVersion, openEnd } from '../../../schema/object.ts'

const second = 1_000_000
const minute = 60 * second
const hour = 60 * minute
const horizonOf = (time: number): ObjectVersion => ({ kind: 'history', time })

const words = new Int32Array(4)
const bytes = new Uint8Array(words.buffer)
function wordsOf(address: string): Int32Array {
  writeAddress(bytes, 0, address)
  return words
}

/** What a table answers, in words that mean the same in another. */
function answerOf(table: ObjectTable, cluster: string, address: string, from: number, to: number): unknown {
  const addresses = table.addresses(cluster)
  const answer = addresses.look(wordsOf(address), 0, from, to)
  const nameOf = (entity: number) => attributes.map(name => table.text(name, entity)).join('|')
  if (isCrowd(answer)) {
    const { entities, ...rest } = addresses.crowd(answer)
    return { entities: entities.map(nameOf).sort(), ...rest }
  }
  // Of an address that nobody had since, it is not known any more that somebody did before.
  if (answer === notFound.notThen || answer === notFound.unknown) return 'nobody'
  return { entity: nameOf(entityOf(answer)), doubt: answer & (doubts.clock | doubts.perhapsEnded) }
}

/** One life of an object: versions one after the other, each with its end told or not, the last perhaps open, and who may have missed the end. */
const life = fc.record({
  uid: fc.integer({ min: 0, max: 8 }).map(String),
  kind: fc.constantFrom('pod' as const, 'pod' as const, 'pod' as const, 'node' as const, 'service' as const),
  cluster: fc.constantFrom('east', 'west'),
  start: fc.integer({ min: 0, max: 600 }),
  steps: fc.array(fc.record({ lasts: fc.integer({ min: 1, max: 120 }), workload: fc.integer({ min: 0, max: 3 }), told: fc.boolean() }), {
    minLength: 1,
    maxLength: 4,
  }),
  addresses: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 2 }),
  hostNetwork: fc.boolean(),
  perhaps: fc.integer({ min: 0, max: 20 }),
  stays: fc.boolean(),
})
type Life = typeof life extends fc.Arbitrary<infer T> ? T : never

interface Told {
  at: number
  version: ObjectVersion
}

function* versionsOf({ uid, kind, cluster, start, steps, addresses, hostNetwork, perhaps, stays }: Life): Generator<Told> {
  let from = start * minute
  for (const [at, { lasts, workload, told }] of steps.entries()) {
    const to = from + lasts * minute
    const isLast = at === steps.length - 1
    const version: ObjectVersion = {
      kind,
      cluster,
      uid: `${uid}-${start}`,
      namespace: kind === 'node' ? '' : 'shop',
      name: `${kind}-${uid}-${start}`,
      workload: kind === 'pod' ? `w${workload}` : '',
      node: kind === 'pod' ? `node-${workload}` : '',
      zone: kind === 'node' ? `zone-${uid}` : '',
      addresses: addresses.map(n => `10.0.0.${n}`),
      host_network: kind === 'pod' && hostNetwork,
      ports: kind === 'service' ? ['tcp/80'] : [],
      spec: kind === 'service' ? `{"nodePorts":{"tcp/3008${uid}":"tcp/80"}}` : kind === 'node' ? `{"podCIDRs":["10.${uid}.0.0/16"]}` : '',
      time: from,
      valid_from: from,
      valid_to: openEnd,
    }
    yield { at: from, version }
    const ended_after = isLast && perhaps ? Math.max(from, to - perhaps * minute) : 0
    // Who begins the next version need not end the one before; what ends for good is ended.
    if (isLast ? !stays : told) yield { at: to, version: { ...version, time: to, valid_to: to, ended_after } }
    from = to
  }
}

test('who forgets answers of all times since then as who does not', t => {
  fc.assert(
    fc.property(
      fc.array(life, { minLength: 1, maxLength: 25 }),
      fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 12 }),
      fc.integer({ min: 30, max: 200 }),
      (lives, forgettings, history) => {
        const horizons = forgettings.map(at => ({ at: at * minute, version: horizonOf((at - history) * minute) }))
        const plain = new ObjectTable()
        const forgetting = new ObjectTable()
        // The first of two lives that would be one object's.
        const first = new Map(lives.map(one => [`${one.kind}/${one.cluster}/${one.uid}/${one.start}`, one]))
        const told: Told[] = [...first.values()].flatMap(one => [...versionsOf(one)])
        for (const { version } of [...told, ...horizons].sort((a, b) => a.at - b.at)) {
          forgetting.add(version)
          if (version.kind !== 'history') plain.add(version)
        }
        const since = Math.max(0, forgetting.knownSince)
        for (const cluster of ['east', 'west'])
          for (let address = 1; address <= 6; address++)
            for (let time = since; time < 1_200 * minute; time += 13 * minute)
              for (const width of [0, 1, 40 * minute]) {
                const ask = (table: ObjectTable) => answerOf(table, cluster, `10.0.0.${address}`, time, time + width)
                t.deepEqual(ask(forgetting), ask(plain))
              }
        // Where somebody is, somebody may be of whom nobody has told yet.
        const endOf = ({ start, steps }: Life) => (start + steps.reduce((sum, { lasts }) => sum + lasts, 0)) * minute
        for (const one of first.values())
          if (one.kind === 'pod' && !one.hostNetwork && (one.stays || endOf(one) > since))
            t.true(forgetting.neighbourhoods.has(one.cluster, wordsOf('10.0.0.77'), 0))
        for (let time = since; time < 1_200 * minute; time += 29 * minute)
          for (let port = 0; port < 9; port++) {
            const ask = (table: ObjectTable) => {
              const service = table.listening.behindNodePort('east', (1 << 16) | (30_080 + port), time)
              return service === undefined ? undefined : table.text('service', service)
            }
            t.is(ask(forgetting), ask(plain))
          }
      },
    ),
    { numRuns: Number(process.env.WEIR_RUNS ?? 150) },
  )
})

test('an address table that forgets is as one that never knew', t => {
  const interval = fc.record({
    address: fc.integer({ min: 0, max: 400 }),
    from: fc.integer({ min: 0, max: 50 }),
    lasts: fc.integer({ min: 1, max: 30 }),
    entity: fc.integer({ min: 1, max: 40 }),
    goes: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 1_500, size: 'max' }), fc.array(fc.nat(), { maxLength: 200 }), (all, order) => {
      const table = new AddressTable()
      const fresh = new AddressTable()
      const at = (address: number) => wordsOf(`10.0.${address >> 8}.${address & 255}`)
      const going: number[] = []
      for (const { address, from, lasts, entity, goes } of all) {
        const number = table.add(at(address), 0, from, from + lasts, entity)
        table.look(at(address), 0, from, from)
        if (goes) going.push(number)
        else fresh.add(at(address), 0, from, from + lasts, entity)
        // Some go while others come.
        if (going.length && order[number % Math.max(1, order.length)] % 3 === 0) table.remove(going.splice(order[0] % going.length, 1)[0])
      }
      for (const number of going) table.remove(number)
      t.is(table.addresses, fresh.addresses)
      t.is(table.intervals, fresh.intervals)
      for (let address = 0; address <= 400; address += 3)
        for (let time = 0; time < 80; time += 7) {
          t.is(table.find(at(address), 0, time), fresh.find(at(address), 0, time))
          const [one, other] = [table, fresh].map(each => {
            const answer = each.look(at(address), 0, time, time + 2)
            return isCrowd(answer) ? each.crowd(answer) : answer
          })
          t.deepEqual(one, other)
        }
    }),
    { numRuns: 40 },
  )
})

/** A cluster in which pods, jobs, nodes and services come and go, hour after hour. */
function* churn(pods: number, hourNumber: number): Generator<ObjectVersion> {
  const begin = hourNumber * hour
  for (let i = 0; i < pods; i++) {
    const n = hourNumber * pods + i
    const from = begin + Math.floor((i * hour) / pods)
    const version: ObjectVersion = {
      kind: 'pod',
      cluster: 'east',
      namespace: `ns-${n % 20}`,
      name: `job-${n}-abcde`,
      uid: `uid-${n}`,
      workload: n % 4 ? `deployment-${n % 50}` : `job-${n}`,
      workload_kind: 'Job',
      service_account: 'default',
      node: `node-${hourNumber}-${i % 10}`,
      addresses: [`10.1.${(n >> 8) & 255}.${n & 255}`, `fd00:${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}::1`],
      labels: [`job=${n}`],
      time: from,
      valid_from: from,
      valid_to: openEnd,
    }
    yield version
    yield { ...version, services: [`ns-${n % 20}/svc`], valid_from: from + 10 * second, time: from + 10 * second }
    yield { ...version, valid_to: from + 10 * second, time: from + 10 * second }
    const to = from + 20 * minute
    yield { ...version, services: [`ns-${n % 20}/svc`], valid_from: from + 10 * second, valid_to: to, time: to }
  }
  for (let i = 0; i < 10; i++) {
    const spec = JSON.stringify({ podCIDRs: [`fd00:${hourNumber.toString(16)}:${i}::/48`] })
    const node: ObjectVersion = {
      kind: 'node',
      cluster: 'east',
      name: `node-${hourNumber}-${i}`,
      uid: `node-${hourNumber}-${i}`,
      zone: 'a',
      spec,
    }
    const service: ObjectVersion = {
      kind: 'service',
      cluster: 'east',
      namespace: `pr-${hourNumber}`,
      name: `svc-${i}`,
      uid: `svc-${hourNumber}-${i}`,
      ports: ['tcp/80'],
    }
    for (const version of [
      { ...node, addresses: [`192.168.${hourNumber & 255}.${i}`] },
      { ...service, addresses: [`10.96.${hourNumber & 255}.${i}`], spec: `{"nodePorts":{"tcp/${30_000 + i}":"tcp/80"}}` },
    ]) {
      yield { ...version, valid_from: begin, valid_to: openEnd, time: begin }
      yield { ...version, valid_from: begin, valid_to: begin + 2 * hour, time: begin + 2 * hour }
    }
  }
}

test('what is kept stays as much over seven days in which everything comes and goes', t => {
  const objects = new ObjectTable()
  const identities = new IdentityTable()
  const standing: ObjectVersion = {
    kind: 'pod',
    cluster: 'east',
    namespace: 'shop',
    name: 'stays',
    uid: 'stays',
    node: 'node',
    addresses: ['10.9.9.9'],
    valid_from: 0,
    valid_to: openEnd,
  }
  const sizes: Record<string, number>[] = []
  for (const table of [objects, identities]) table.add(standing)
  for (let at = 0; at < 7 * 24; at++) {
    for (const version of churn(200, at)) for (const table of [objects, identities]) table.add(version)
    for (const table of [objects, identities]) table.add(horizonOf((at - 24) * hour))
    const east = objects.addresses('east')
    sizes.push({
      versions: objects.versions,
      entities: objects.entities,
      texts: objects.texts.length,
      places: objects.attribute.node.length,
      profiles: objects.attribute.namespace.length,
      addresses: east.addresses,
      intervals: east.intervals,
      identities: identities.size,
    })
  }
  for (const name of Object.keys(sizes[0])) {
    const most = (from: number, to: number) => Math.max(...sizes.slice(from, to).map(size => size[name]))
    t.true(most(96, 168) <= most(26, 96) * 1.1, `${name}: ${most(26, 96)} in the first days, ${most(96, 168)} later`)
    t.true(most(96, 168) > 0)
  }
  // Four versions of a pod an hour for a day, not for a week.
  t.true(sizes.at(-1)!.versions < 200 * 2 * 27)
  t.like(answerOf(objects, 'east', '10.9.9.9', 167 * hour, 167 * hour), { doubt: 0 }, 'what is open is never forgotten')
  t.true(objects.neighbourhoods.has('east', wordsOf('10.9.9.1'), 0))
  t.false(objects.neighbourhoods.has('east', wordsOf('fd00:0:1:7::'), 0), 'the range of a node that is gone for days')
  t.is(objects.addresses('east').find(wordsOf('10.1.0.1'), 0, hour), notFound.unknown)
})
