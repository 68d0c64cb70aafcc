import test from 'ava'
import { openObjectLog } from '../../../collectors/objects.ts'
import type { SourceStatus } from '../../../collectors/source.ts'
import { type SpireOptions, spire } from '../../../collectors/spire/source.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openBlock } from '../../../runtime/block/message.ts'
import { openLog } from '../../../runtime/log.ts'
import { type ObjectVersion, objectKey, openEnd } from '../../../schema/object.ts'
import { kinds, topicOf } from '../../../schema/record.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { adminId, hasSpire, openSpire } from '../../helpers/spire.ts'
import { until } from '../../helpers/wait.ts'

interface Following extends AsyncDisposable {
  log: string[]
  statuses: SourceStatus[]
  /** Waits for so many more complete polls. */
  polls(count: number): Promise<void>
}

/** Runs the source as the collector does. */
function follow(bus: Bus, servers: SpireOptions['servers'], every = 0.2): Following {
  const stop = new AbortController()
  const log: string[] = []
  const statuses: SourceStatus[] = []
  const logger = openLog({ write: line => void log.push(line), pretty: false })
  const nothing = () => {}
  const { signal } = stop
  const running = spire.run(
    { servers, every },
    {
      objects: openObjectLog({ bus, collector: 'test/spire', log: logger, signal }),
      // It has no records but objects.
      outbox: undefined as never,
      signal,
      log: logger,
      instruments: { received: nothing, sent: nothing, discarded: nothing },
      status: status => void statuses.push(status),
    },
  )
  return {
    log,
    statuses,
    async polls(count) {
      const ready = () => statuses.filter(({ ready }) => ready).length
      const before = ready()
      await until(`${count} polls`, () => ready() >= before + count)
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running.catch(error => {
        if (!signal.aborted) throw error
      })
    },
  }
}

/** The newest of each version on the bus. */
async function versionsOn(bus: Bus): Promise<ObjectVersion[]> {
  const newest = new Map<string, ObjectVersion>()
  const found: ObjectVersion[] = []
  for await (const message of bus.recent(topicOf(kinds.object), () => true))
    found.unshift(...(openBlock(message).records() as ObjectVersion[]))
  for (const version of found) newest.set(objectKey(version), version)
  return [...newest.values()]
}

const entriesOn = async (bus: Bus) => (await versionsOn(bus)).filter(({ kind }) => kind === 'identity')
/** Those that are found, or nothing while there are none. */
async function anyOf<T>(found: Promise<T[]>): Promise<T[] | undefined> {
  const all = await found
  return all.length ? all : undefined
}

const shop = { id: '/ns/shop/sa/cart', selectors: ['k8s:sa:cart', 'k8s:ns:shop'] }

test('entries that are added, changed and removed are versions of objects, and a removal counts when two polls agree', async t => {
  if (!(await hasSpire(t))) return
  await using open = await openTestBus()
  await using server = await openSpire()
  const began = Date.now() * 1000
  const [id] = await server.create({ ...shop, entryExpiry: 4_000_000_000 })
  await using following = follow(open.bus, [{ address: server.address, cluster: 'east' }])
  const [added] = await until('the entry', () => anyOf(entriesOn(open.bus)))
  t.like(added, {
    source: 'spire',
    cluster: 'east',
    uid: id,
    name: '/ns/shop/sa/cart',
    namespace: 'shop',
    service_account: 'cart',
    spiffe_id: 'spiffe://example.org/ns/shop/sa/cart',
    labels: ['k8s:ns:shop', 'k8s:sa:cart'],
    valid_to: openEnd,
  })
  t.true(Math.abs(added.valid_from! - began) < 10e6, 'an entry is there since the server made it')
  t.like(JSON.parse(added.spec!), {
    parent: 'spiffe://example.org/spire/agent/test/node',
    node: false,
    expires_at: 4_000_000_000,
    revision: 0,
  })

  await following.polls(2)
  t.is((await entriesOn(open.bus)).length, 1, 'what is as it was is not told again')
  await server.update({ ...shop, entry_id: id, selectors: [...shop.selectors, 'k8s:pod-label:tier:gold'] })
  const [first, second] = await until('the change', async () => {
    const versions = await entriesOn(open.bus)
    return versions.length === 2 && versions.sort((a, b) => a.valid_from! - b.valid_from!)
  })
  t.is(first.valid_to, second.valid_from)
  t.true(first.ended_after! > added.time! && first.ended_after! < first.valid_to!)
  t.deepEqual(second.labels, ['k8s:ns:shop', 'k8s:pod-label:tier:gold', 'k8s:sa:cart'])

  await server.remove(id)
  const ended = await until('the end', async () =>
    (await entriesOn(open.bus)).find(({ valid_from, valid_to }) => valid_from === second.valid_from && valid_to !== openEnd),
  )
  t.true(
    ended.ended_after! < ended.valid_to! && ended.valid_to! < ended.time!,
    'it ended at the first poll that missed it, told by the second',
  )
})

test('a server that is killed in the middle ends nothing, and is followed again by itself', async t => {
  if (!(await hasSpire(t))) return
  await using open = await openTestBus()
  await using server = await openSpire()
  // More than a page of a poll.
  const many = Array.from({ length: 1200 }, (_, i) => ({
    id: `/ns/team-${i % 40}/sa/app-${i}`,
    selectors: [`k8s:ns:team-${i % 40}`, `k8s:sa:app-${i}`],
  }))
  const ids = await server.create(...many)
  await using following = follow(open.bus, [{ address: server.address, cluster: 'east' }])
  await until('every entry', async () => (await entriesOn(open.bus)).length === 1200)
  await server.kill()
  await until('the reason', () => following.statuses.at(-1)?.ready === false)
  t.regex(following.statuses.at(-1)!.reason!, /api\.sock/)
  const over = async () => (await entriesOn(open.bus)).filter(({ valid_to }) => valid_to !== openEnd)
  t.deepEqual(await over(), [])
  await server.start()
  await following.polls(2)
  await server.remove(ids[7])
  const ended = await until('the removal', () => anyOf(over()))
  t.deepEqual(
    ended.map(({ uid }) => uid),
    [ids[7]],
  )
})

test('a collector that starts again goes on where it was: what changed meanwhile is told, and nothing else', async t => {
  if (!(await hasSpire(t))) return
  await using open = await openTestBus()
  await using server = await openSpire()
  const [first, second] = await server.create(shop, { id: '/b', selectors: ['k8s:ns:b'] })
  {
    await using following = follow(open.bus, [{ address: server.address }])
    await following.polls(1)
  }
  await server.remove(first)
  const [third] = await server.create({ id: '/c', selectors: ['k8s:ns:c'] })
  await using following = follow(open.bus, [{ address: server.address }])
  await following.polls(3)
  const versions = await entriesOn(open.bus)
  const standing = versions.filter(({ valid_to }) => valid_to === openEnd).map(({ uid }) => uid)
  t.deepEqual(new Set(standing), new Set([second, third]))
  t.deepEqual(
    versions.filter(({ valid_to }) => valid_to !== openEnd).map(({ uid }) => uid),
    [first],
  )
})

test('over TLS an administrator’s SVID is let in, and only the server of its own trust domain is believed', async t => {
  if (!(await hasSpire(t))) return
  await using open = await openTestBus()
  await using server = await openSpire()
  await server.create(shop)
  const tls = await server.mint(adminId)
  await using following = follow(open.bus, [{ address: server.tcp, tls }])
  await until('the entry', async () => (await entriesOn(open.bus)).length === 1)
  const domains = (await versionsOn(open.bus)).filter(({ kind }) => kind === 'trust_domain')
  t.like(domains[0], { name: 'example.org', uid: 'example.org/example.org' })
  const { own, bundle } = JSON.parse(domains[0].spec!) as { own: boolean; bundle: { authorities: { sha256: string }[] } }
  t.true(own)
  t.regex(bundle.authorities[0].sha256, /^[0-9a-f]{64}$/)
  t.notRegex([...following.log, ...domains.map(({ spec }) => spec)].join(), /PRIVATE|BEGIN/)

  await using stranger = await openSpire()
  await using lost = follow(open.bus, [{ address: stranger.tcp, tls }])
  await until('the refusal', () => lost.statuses.length)
  t.false(lost.statuses[0].ready)
  const other = await server.mint('spiffe://example.org/nobody')
  await using refused = follow(open.bus, [{ address: server.tcp, tls: other }])
  await until('the refusal', () => refused.statuses.length)
  t.regex(refused.statuses[0].reason!, /PERMISSION_DENIED|authorization/i)
})

test('trust domains that are federated come and go as objects', async t => {
  if (!(await hasSpire(t))) return
  await using open = await openTestBus()
  await using server = await openSpire()
  await using following = follow(open.bus, [{ address: server.address, cluster: 'east' }])
  await following.polls(1)
  const relationship = ['-trustDomain', 'partner.test', '-bundleEndpointURL', 'https://127.0.0.1:1/', '-bundleEndpointProfile', 'https_web']
  await server.command('federation', 'create', ...relationship)
  const partner = () => versionsOn(open.bus).then(all => all.find(({ name }) => name === 'partner.test'))
  const known = await until('the partner', partner)
  t.like(JSON.parse(known.spec!), { own: false, federation: { url: 'https://127.0.0.1:1/', profile: 'https_web' } })
  await server.command('federation', 'delete', '-id', 'partner.test')
  await until('its end', async () => (await partner())!.valid_to !== openEnd)
  t.pass()
})
