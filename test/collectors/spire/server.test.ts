import test from 'ava'
import fc from 'fast-check'
import { serveGrpc, unary } from '../../../collectors/grpc/server.ts'
import { loadSpireProto } from '../../../collectors/spire/proto.ts'
import { type Entry, readServer } from '../../../collectors/spire/server.ts'
import { readSnapshot } from '../../../collectors/spire/versions.ts'
import { quietLog } from '../../helpers/clickhouse.ts'

const api = '/spire.api.server'
const nothing = () => {}
const encoded = (type: string, message: object) => {
  const found = loadSpireProto().lookupType(`spire.${type}`)
  return found.encode(found.fromObject(message)).finish()
}

/** Something that answers in place of a SPIRE server. */
async function openAnswering(answers: { own?: Uint8Array; entries?: (token: string) => Uint8Array }) {
  const empty = new Uint8Array()
  const request = loadSpireProto().lookupType('spire.ListEntriesRequest')
  const server = await serveGrpc({
    listen: {},
    setting: 'test',
    log: quietLog,
    instruments: { received: nothing, sent: nothing, discarded: nothing },
    methods: {
      [`${api}.bundle.v1.Bundle/GetBundle`]: unary(async () => answers.own ?? encoded('Bundle', { trust_domain: 'example.org' })),
      [`${api}.bundle.v1.Bundle/ListFederatedBundles`]: unary(async () => empty),
      [`${api}.trustdomain.v1.TrustDomain/ListFederationRelationships`]: unary(async () => empty),
      [`${api}.entry.v1.Entry/ListEntries`]: unary(async message => {
        const { page_token = '' } = request.toObject(request.decode(message)) as { page_token?: string }
        return answers.entries?.(page_token) ?? empty
      }),
    },
  })
  const { signal } = new AbortController()
  return {
    read: () => readServer({ host: '127.0.0.1', port: server.port }, undefined, signal),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

test('all pages are read, and what is missing reads as its default', async t => {
  const page = (id: string, next_page_token = '') => encoded('ListEntriesResponse', { entries: [{ id }], next_page_token })
  const pages: Record<string, Uint8Array> = { '': page('a', 'b'), b: page('b', 'c'), c: page('c') }
  await using server = await openAnswering({ entries: token => pages[token] })
  const { entries, own } = await server.read()
  t.deepEqual(
    entries.map(({ id }) => id),
    ['a', 'b', 'c'],
  )
  t.like(entries[0], { spiffe_id: null, selectors: [], expires_at: 0, admin: false })
  t.like(own, { trust_domain: 'example.org', x509_authorities: [], sequence_number: 0 })
})

test('a server without a trust domain is none', async t => {
  await using server = await openAnswering({ own: encoded('Bundle', { sequence_number: 1 }) })
  await t.throwsAsync(server.read(), { message: 'the server does not name its trust domain' })
})

test('a page that leads to itself is no end', async t => {
  await using server = await openAnswering({ entries: () => encoded('ListEntriesResponse', { entries: [], next_page_token: 'x' }) })
  await t.throwsAsync(server.read(), { message: /same page/ })
})

test('whatever is answered in place of a message is read or refused', async t => {
  let answer = new Uint8Array()
  await using server = await openAnswering({ entries: () => answer })
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async bytes => {
      answer = bytes
      const snapshot = await server.read().catch((error: Error) => error)
      if (!(snapshot instanceof Error)) t.true(readSnapshot(snapshot, 'east').seen.length > 0)
    }),
    { numRuns: 60 },
  )
  t.pass()
})

const entry = (more: Partial<Entry>): Entry => ({
  id: 'a',
  spiffe_id: { trust_domain: 'example.org', path: '/a' },
  parent_id: { trust_domain: 'example.org', path: '/node' },
  selectors: [],
  x509_svid_ttl: 0,
  federates_with: [],
  admin: false,
  downstream: false,
  expires_at: 0,
  dns_names: [],
  revision_number: 0,
  hint: '',
  created_at: 0,
  ...more,
})

test('entries without an id, without a SPIFFE ID or beyond limits are left out and counted', t => {
  const selectors = Array.from({ length: 513 }, () => ({ type: 'k8s', value: 'ns:x' }))
  const entries = [
    entry({}),
    entry({ id: '' }),
    entry({ id: 'b', spiffe_id: null }),
    entry({ id: 'c', selectors }),
    entry({ id: 'd', hint: 'x'.repeat(5000) }),
  ]
  const own = {
    trust_domain: 'example.org',
    x509_authorities: [{ asn1: Buffer.from('no certificate'), tainted: true }],
    refresh_hint: 0,
    sequence_number: 1,
  }
  const { seen, unreadable, overLimit } = readSnapshot({ own, federated: [], relationships: [], entries }, 'east')
  t.deepEqual([seen.length, unreadable, overLimit], [2, 2, 2])
  t.like(seen[0].version, { kind: 'trust_domain', name: 'example.org' })
})

test('entries of nodes say so', t => {
  const own = { trust_domain: 'example.org', x509_authorities: [], refresh_hint: 0, sequence_number: 1 }
  const entries = [
    entry({ id: 'alias', parent_id: { trust_domain: 'example.org', path: '/spire/server' } }),
    entry({ id: 'token', selectors: [{ type: 'spiffe_id', value: 'spiffe://example.org/spire/agent/join_token/1' }] }),
    entry({ id: 'pod', parent_id: { trust_domain: 'example.org', path: '/spire/agent/k8s_psat/east/n-1' } }),
  ]
  const { seen } = readSnapshot({ own, federated: [], relationships: [], entries }, 'east')
  const nodes = seen.slice(1).map(({ version }) => [version.uid, (JSON.parse(version.spec!) as { node: boolean }).node])
  t.deepEqual(nodes, [
    ['alias', true],
    ['token', true],
    ['pod', false],
  ])
})
