import test from 'ava'
import { identity } from '../../../enricher/steps/identity.ts'
import { kubernetes } from '../../../enricher/steps/kubernetes.ts'
import { orientation } from '../../../enricher/steps/orientation.ts'
import { Draft } from '../../../enricher/step.ts'
import { type IdentityOptions, IdentityTable } from '../../../enricher/tables/identities.ts'
import { ObjectTable } from '../../../enricher/tables/objects.ts'
import { Block } from '../../../runtime/block/block.ts'
import { openBlock } from '../../../runtime/block/message.ts'
import { ConfigError } from '../../../runtime/error.ts'
import { type ObjectVersion, openEnd } from '../../../schema/object.ts'
import { type KindName, kinds } from '../../../schema/record.ts'
import { deliveredOf } from '../../helpers/blocks.ts'
import { domain, entry, pod, second, spiffe, strict, template } from './objects.ts'

/** The records as they are stored, given these objects. */
async function enriched(
  objects: readonly ObjectVersion[],
  records: readonly object[],
  options: IdentityOptions = {},
  kind: KindName = 'flow',
) {
  const [table, identities] = [new ObjectTable(), new IdentityTable(options)]
  for (const version of objects) for (const each of [table, identities]) each.add(version)
  const all = records.map(record => ({ cluster: 'east', time: 1000 * second, src_address: '10.0.0.1', dst_address: '10.0.0.2', ...record }))
  const draft = new Draft(kinds[kind], openBlock(await deliveredOf(kind, all)))
  for (const step of [orientation(table), kubernetes(table), identity(identities, table)]) step.enrich(draft)
  const rows = new Block(draft.block.with(draft.written), kinds[kind]).records()
  // Columns in which there is nothing are not written.
  return rows.map((row): Record<string, unknown> => ({ src_identity_check: '', src_identity_expected: '', ...row }))
}

const cart = pod('10.0.0.1', 'cart')
const payment = pod('10.0.0.2', 'payment')
const meshed = { labels: ['security.istio.io/tlsMode=istio'] }
const own = entry('1', '/ns/shop/sa/cart', ['k8s:ns:shop', 'k8s:sa:cart'])
const certificate = (src_spiffe_id: string) => ({ src_spiffe_id, src_spiffe_id_source: 'certificate' })

const given: Record<string, [objects: ObjectVersion[], record: object, id: string, source: string, options?: IdentityOptions]> = {
  'an entry whose selectors the pod has': [[cart, own], {}, spiffe('/ns/shop/sa/cart'), 'spire'],
  'nothing from an entry for others': [[cart, entry('1', '/x', ['k8s:ns:bank'])], {}, '', ''],
  'nothing where two entries name two': [[cart, own, entry('2', '/b', ['k8s:ns:shop'])], {}, '', ''],
  'one where two entries name the same': [
    [cart, own, entry('2', '/ns/shop/sa/cart', ['k8s:pod-name:cart-1'])],
    {},
    spiffe('/ns/shop/sa/cart'),
    'spire',
  ],
  'nothing from an entry for a container alone': [[cart, entry('1', '/a', ['k8s:ns:shop', 'k8s:container-name:cart'])], {}, '', ''],
  'nothing where a container may have another': [[cart, own, entry('2', '/b', ['k8s:ns:shop', 'k8s:container-name:cart'])], {}, '', ''],
  'an entry before it was there is nobody’s': [[cart, { ...own, valid_from: 2000 * second }], {}, '', ''],
  'an entry after it was removed is nobody’s': [[cart, { ...own, valid_to: 900 * second }], {}, '', ''],
  'an entry that has expired is nobody’s': [[cart, entry('1', '/a', ['k8s:ns:shop'], { expires_at: 900 })], {}, '', ''],
  'an entry of another cluster is another’s': [[cart, { ...own, cluster: 'west' }], {}, '', ''],
  'an entry of an agent on another node is not for it': [
    [
      cart,
      entry('1', '/a', ['k8s:ns:shop'], { parent: spiffe('/spire/agent/k8s_psat/east/n-2') }),
      { kind: 'node', cluster: 'east', name: 'node-1', uid: 'n-1', valid_from: 0, valid_to: openEnd },
    ],
    {},
    '',
    '',
  ],
  'an entry of nodes is for no pod': [[cart, entry('1', '/a', ['k8s:ns:shop'], { node: true })], {}, '', ''],
  'a template': [
    [cart, domain('example.org', true), template('{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}')],
    {},
    spiffe('/ns/shop'),
    'template',
  ],
  'a template whose trust domain is configured': [
    [cart, template('{{ .TrustDomain }}/a')],
    {},
    'spiffe://shop.test/a',
    'template',
    { trust_domains: { east: 'shop.test' } },
  ],
  'nothing of a template whose trust domain is not known': [[cart, template('{{ .TrustDomain }}/a')], {}, '', ''],
  'an entry before a template': [
    [cart, own, domain('example.org', true), template('{{ .TrustDomain }}/a')],
    {},
    spiffe('/ns/shop/sa/cart'),
    'spire',
  ],
  'a template that selects by label': [
    [{ ...cart, labels: ['app=cart'] }, template('a.test/x', { podSelector: { matchLabels: { app: 'cart' } } })],
    {},
    'spiffe://a.test/x',
    'template',
  ],
  'not one that selects others': [[cart, template('a.test/x', { podSelector: { matchLabels: { app: 'cart' } } })], {}, '', ''],
  'one that selects the namespace by its name': [
    [
      cart,
      template('a.test/x', {
        namespaceSelector: { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['shop'] }] },
      }),
    ],
    {},
    'spiffe://a.test/x',
    'template',
  ],
  'a fallback only where no other is': [
    [cart, template('a.test/x', { fallback: true }), { ...template('a.test/y'), uid: 'y' }],
    {},
    'spiffe://a.test/y',
    'template',
  ],
  'a fallback where the other fails': [
    [cart, template('a.test/x', { fallback: true }), { ...template('a.test/{{ .PodMeta.Labels.team }}'), uid: 'y' }],
    {},
    'spiffe://a.test/x',
    'template',
  ],
  'not a fallback where it is not understood what the other gives': [
    [cart, template('a.test/x', { fallback: true }), { ...template('a.test/{{ lower .PodMeta.Name }}'), uid: 'y' }],
    {},
    '',
    '',
  ],
  'nothing of a template beside one that is not understood': [
    [cart, template('a.test/x'), { ...template('a.test/{{ index .PodMeta.Annotations "team" }}'), uid: 'y' }],
    {},
    '',
    '',
  ],
  'an entry beside a template that is not understood': [[cart, own, template('{{ lower "A" }}')], {}, spiffe('/ns/shop/sa/cart'), 'spire'],
  'not the convention of the mesh beside a template that is not understood': [
    [{ ...cart, ...meshed }, template('{{ lower "A" }}')],
    {},
    '',
    '',
  ],
  'a template with workload selectors that every container of the pod has': [
    [cart, template('a.test/x', { workloadSelectorTemplates: ['k8s:ns:{{ .PodMeta.Namespace }}', 'k8s:sa:cart'] })],
    {},
    'spiffe://a.test/x',
    'template',
  ],
  'nothing of one for a container alone': [
    [cart, template('a.test/x', { workloadSelectorTemplates: ['k8s:container-name:main'] })],
    {},
    '',
    '',
  ],
  'nothing of one for a process alone': [[cart, template('a.test/x', { workloadSelectorTemplates: ['unix:uid:1000'] })], {}, '', ''],
  'nothing of one for others': [[cart, template('a.test/x', { workloadSelectorTemplates: ['k8s:ns:bank'] })], {}, '', ''],
  'nothing of one with a selector that is none': [[cart, template('a.test/x', { workloadSelectorTemplates: ['k8s'] })], {}, '', ''],
  'nothing of one of another trust domain': [[cart, domain('example.org', true), template('a.test/x')], {}, '', ''],
  'nothing to a pod that is on no node': [[{ ...cart, node: '' }, template('a.test/x')], {}, '', ''],
  'nothing to a pod of a namespace that is ignored': [
    [cart, template('a.test/x')],
    {},
    '',
    '',
    { spire_controller_managers: { east: { ignore_namespaces: ['^sh.*'] } } },
  ],
  'nothing of one of a class nobody told of': [[cart, template('a.test/x', { className: 'spire-spire' })], {}, '', ''],
  'one of a class that was told': [
    [cart, template('a.test/x', { className: 'spire-spire' }), { ...template('a.test/y'), uid: 'y' }],
    {},
    'spiffe://a.test/x',
    'template',
    { spire_controller_managers: { east: { class_names: ['spire-spire'] } } },
  ],
  'one without a class, where those are read as well': [
    [cart, template('a.test/x', { className: 'another' }), { ...template('a.test/y'), uid: 'y' }],
    {},
    'spiffe://a.test/y',
    'template',
    { spire_controller_managers: { east: { class_names: ['spire-spire', ''] } } },
  ],
  'a template with what is known of the node': [
    [
      cart,
      { ...template('{{ .TrustDomain }}/{{ .NodeMeta.UID }}/{{ slice .NodeSpec.ProviderID 7 }}'), uid: 'y' },
      domain('example.org', true),
      { kind: 'node', cluster: 'east', name: 'node-1', uid: 'n-1', spec: '{"podCIDRs":[],"providerID":"aws:///i-1"}', valid_to: openEnd },
    ],
    {},
    'spiffe://example.org/n-1/i-1',
    'template',
  ],
  'a template with the UID of a node of which nothing else can be read': [
    [
      cart,
      template('a.test/{{ .NodeMeta.UID }}'),
      { kind: 'node', cluster: 'east', name: 'node-1', uid: 'n-1', spec: '{', valid_from: 0, valid_to: openEnd },
    ],
    {},
    'spiffe://a.test/n-1',
    'template',
  ],
  'a template with the name of the cluster, where it is told': [
    [cart, template('a.test/{{ .ClusterName }}/{{ .ClusterDomain }}')],
    {},
    'spiffe://a.test/e/cluster.local',
    'template',
    { spire_controller_managers: { east: { cluster_name: 'e', cluster_domain: 'cluster.local' } } },
  ],
  'the convention of the mesh': [[{ ...cart, ...meshed }], {}, 'spiffe://cluster.local/ns/shop/sa/cart', 'convention'],
  'the convention of a mesh with another trust domain': [
    [{ ...cart, ...meshed }],
    {},
    'spiffe://shop.test/ns/shop/sa/cart',
    'convention',
    { trust_domains: { east: ['shop.test', 'old.test'] } },
  ],
  'nothing to a pod that is not in the mesh': [[cart], {}, '', ''],
  'Cilium’s entry for the numeric identity': [
    [entry('1', '/identity/4711', ['cilium:mutual-auth'])],
    { src_identity: 4711 },
    spiffe('/identity/4711'),
    'cilium',
  ],
  'what the pod itself says stays': [[{ ...cart, spiffe_id: 'spiffe://a.test/own' }, own], {}, 'spiffe://a.test/own', 'object'],
  'what a certificate says stays': [[cart, own], certificate('spiffe://b.test/x'), 'spiffe://b.test/x', 'certificate'],
  'what a source says stays': [
    [cart, own],
    { src_spiffe_id: 'spiffe://b.test/x', src_spiffe_id_source: 'claim' },
    'spiffe://b.test/x',
    'claim',
  ],
}

for (const [title, [objects, record, id, source, options]] of Object.entries(given))
  test(`an end is given ${title}`, async t => {
    const [row] = await enriched(objects, [record], options)
    t.like(row, { src_spiffe_id: id, src_spiffe_id_source: source })
  })

const b = spiffe('/ns/bank/sa/till')
const ofB = entry('b', '/ns/bank/sa/till', ['k8s:ns:bank', 'k8s:sa:till'])
const known = [cart, own, ofB, domain('example.org', true)]
const checked: Record<string, [objects: ObjectVersion[], record: object, check: string, expected: string, options?: IdentityOptions]> = {
  'agrees: its own': [known, certificate(spiffe('/ns/shop/sa/cart')), 'agrees', ''],
  'agrees: one of several it may have': [
    [...known, entry('2', '/b', ['k8s:ns:shop', 'k8s:container-name:b'])],
    certificate(spiffe('/b')),
    'agrees',
    '',
  ],
  'differs: the address says A, the certificate says B': [known, certificate(b), 'differs', spiffe('/ns/shop/sa/cart')],
  'differs: also where the source read its namespace in the certificate': [
    known,
    { ...certificate(b), src_namespace: 'bank' },
    'differs',
    spiffe('/ns/shop/sa/cart'),
  ],
  'differs: a pod without an entry shows what belongs to others': [[cart, ofB], certificate(b), 'differs', ''],
  'not of a pod so young that its entry may not be known yet': [[{ ...cart, valid_from: 990 * second }, ofB], certificate(b), '', ''],
  'revoked: the entry was removed before': [
    [cart, { ...own, valid_to: 900 * second }],
    certificate(spiffe('/ns/shop/sa/cart')),
    'revoked',
    '',
  ],
  'revoked: whoever shows it': [[{ ...ofB, valid_to: 900 * second }], certificate(b), 'revoked', ''],
  'not yet at the time of the record': [[cart, { ...own, valid_to: 1001 * second }], certificate(spiffe('/ns/shop/sa/cart')), 'agrees', ''],
  'revoked: also where the mesh would call it so': [
    [
      { ...cart, ...meshed },
      { ...own, valid_to: 900 * second },
    ],
    certificate(spiffe('/ns/shop/sa/cart')),
    'revoked',
    'spiffe://cluster.local/ns/shop/sa/cart',
  ],
  'agrees: another entry gives it still': [
    [cart, { ...own, valid_to: 900 * second }, { ...own, uid: '2' }],
    certificate(spiffe('/ns/shop/sa/cart')),
    'agrees',
    '',
  ],
  'expired: the entry has': [[cart, entry('1', '/a', ['k8s:ns:shop'], { expires_at: 900 })], certificate(spiffe('/a')), 'expired', ''],
  'expired: also after SPIRE swept it away': [
    [cart, { ...entry('1', '/a', ['k8s:ns:shop'], { expires_at: 900 }), valid_to: 950 * second }],
    certificate(spiffe('/a')),
    'expired',
    '',
  ],
  'unknown_trust_domain: one we are not federated with': [
    known,
    certificate('spiffe://evil.test/x'),
    'unknown_trust_domain',
    spiffe('/ns/shop/sa/cart'),
  ],
  'not of one we are federated with': [
    [domain('example.org', true), domain('partner.test', false)],
    certificate('spiffe://partner.test/x'),
    '',
    '',
  ],
  'unknown_trust_domain: after the federation ended': [
    [domain('example.org', true), { ...domain('partner.test', false), valid_to: 900 * second }],
    certificate('spiffe://partner.test/x'),
    'unknown_trust_domain',
    '',
  ],
  'nothing is held against it where our own is not known': [[cart], certificate('spiffe://partner.test/x'), '', ''],
  'what is configured is ours': [
    [cart],
    certificate('spiffe://old.test/x'),
    '',
    '',
    { trust_domains: { east: ['shop.test', 'old.test'] } },
  ],
  'agrees: by the convention, whatever the trust domain, where none is configured': [
    [{ ...cart, ...meshed }],
    certificate('spiffe://any.test/ns/shop/sa/cart'),
    'agrees',
    '',
  ],
  'differs: from the convention': [
    [{ ...cart, ...meshed }],
    certificate('spiffe://cluster.local/ns/bank/sa/till'),
    'differs',
    'spiffe://cluster.local/ns/shop/sa/cart',
  ],
  'nothing is held against it where a template that is not understood may have given it': [
    [{ ...cart, ...meshed }, template('{{ lower .PodMeta.Name }}')],
    certificate('spiffe://cluster.local/ns/bank/sa/till'),
    '',
    '',
  ],
  'differs: what became of a template that is not understood is known from SPIRE': [
    [...known, template('{{ lower .PodMeta.Name }}')],
    certificate(b),
    'differs',
    spiffe('/ns/shop/sa/cart'),
  ],
  'a gateway passes on the certificates of others': [
    [{ ...cart, labels: ['istio=eastwestgateway', 'security.istio.io/tlsMode=istio'] }],
    certificate('spiffe://cluster.local/ns/bank/sa/till'),
    '',
    '',
  ],
  'what a source merely says is not checked': [known, { src_spiffe_id: b, src_spiffe_id_source: 'claim' }, '', ''],
}

for (const [title, [objects, record, check, expected, options]] of Object.entries(checked))
  test(`a certificate: ${title}`, async t => {
    const [row] = await enriched(objects, [record], options)
    t.like(row, { src_identity_check: check, src_identity_expected: expected })
  })

test('of a time before all that is still known nothing is said of identities, and of any later one what was said', async t => {
  const since: ObjectVersion = { kind: 'history', time: 900 * second }
  const wrong = { ...certificate(b), time: 899 * second }
  const rows = [wrong, { ...wrong, time: 900 * second }, wrong, {}, { time: 899 * second }]
  const found = await enriched([...known, since], rows)
  t.deepEqual(
    found.map(({ src_identity_check: check, src_spiffe_id: id }) => [check, id]),
    [
      ['', b],
      ['differs', b],
      ['', b],
      ['', spiffe('/ns/shop/sa/cart')],
      ['', ''],
    ],
  )
  const [unproven] = await enriched([cart, server, strict(), since], [{ ...call, time: 899 * second }])
  t.is(unproven.src_identity_check, '')
})

const server = { ...payment, ...meshed }
const call = { protocol: 'tcp', src_port: 40_000, dst_port: 80, is_reply: 'no' }
const policy = 'PeerAuthentication shop/default'
const demanded: Record<string, [objects: ObjectVersion[], record: object, check: string, kind?: KindName]> = {
  'a pod outside the mesh calls one that is strict': [[cart, server, strict()], call, 'missing'],
  'and so does a request of it': [[cart, server, strict()], { protocol: 'http', dst_port: 80 }, 'missing', 'request'],
  'a pod of the mesh has an identity': [[{ ...cart, ...meshed }, server, strict()], call, ''],
  'a pod with several has one, too': [[cart, own, entry('2', '/b', ['k8s:ns:shop']), server, strict()], call, ''],
  'a pod that may have one from a template that is not understood': [[cart, template('{{ lower "A" }}'), server, strict()], call, ''],
  'one that showed a certificate has one': [[cart, server, strict()], { ...call, ...certificate('spiffe://a.test/x') }, ''],
  'nobody demands it of a server outside the mesh': [[cart, payment, strict()], call, ''],
  'nor where it is permissive': [[cart, server, strict('PERMISSIVE')], call, ''],
  'answers are no calls': [[cart, server, strict()], { ...call, is_reply: 'yes' }, ''],
  'UDP is not carried': [[cart, server, strict()], { ...call, protocol: 'udp' }, ''],
  'a sidecar answers everybody about its health': [[cart, server, strict()], { ...call, dst_port: 15021 }, ''],
  'somebody outside the cluster': [
    [server, strict()],
    { ...call, layer: 'kernel', src_address: '203.0.113.9', src_entity: 'world' },
    'missing',
  ],
  'not one a proxy was told of': [[server, strict()], { ...call, layer: 'l7_proxy', src_address: '203.0.113.9', src_entity: 'world' }, ''],
  'whom we do not know we do not accuse': [[server, strict()], { ...call, layer: 'kernel', src_address: '10.9.9.9' }, ''],
  'before the policy nobody demanded it': [[cart, server, { ...strict(), valid_from: 2000 * second }], call, ''],
}

for (const [title, [objects, record, check, kind]] of Object.entries(demanded))
  test(`a demand: ${title}`, async t => {
    const [row] = await enriched(objects, [record], {}, kind)
    t.like(row, { src_identity_check: check, src_identity_expected: check && policy })
  })

test('rows of one block are each judged by their own time', async t => {
  const changing = [cart, { ...own, valid_to: 1000 * second }, { ...entry('2', '/new', ['k8s:ns:shop']), valid_from: 1000 * second }]
  const times = [999, 1000, 998, 1001, 999.5]
  const rows = await enriched(
    changing,
    times.map(time => ({ time: time * second })),
  )
  t.deepEqual(
    rows.map(row => row.src_spiffe_id),
    times.map(time => spiffe(time < 1000 ? '/ns/shop/sa/cart' : '/new')),
  )
  t.deepEqual([...new Set(rows.map(row => row.src_spiffe_id_source))], ['spire'])
})

test('a pod that follows another of its name has its own identity', async t => {
  const pods = [
    { ...cart, valid_to: 1000 * second },
    { ...cart, uid: 'second', service_account: 'other', valid_from: 1000 * second },
  ]
  const entries = [own, entry('2', '/other', ['k8s:ns:shop', 'k8s:sa:other'])]
  const rows = await enriched([...pods, ...entries], [{ time: 999 * second }, { time: 1000 * second }])
  t.deepEqual(
    rows.map(row => row.src_spiffe_id),
    [spiffe('/ns/shop/sa/cart'), spiffe('/other')],
  )
})

test('a record that is judged again loses a verdict that does not hold any more', async t => {
  const judge = (block: Block, ...objects: ObjectVersion[]) => {
    const [table, identities] = [new ObjectTable(), new IdentityTable()]
    for (const version of objects) for (const each of [table, identities]) each.add(version)
    const draft = new Draft(kinds.flow, block)
    identity(identities, table).enrich(draft)
    return new Block(draft.block.with(draft.written), kinds.flow)
  }
  const record = { cluster: 'east', time: 1000 * second, src_address: '10.0.0.1', ...certificate(b) }
  const first = judge(openBlock(await deliveredOf('flow', [record])), ...known)
  t.like(first.records()[0], { src_identity_check: 'differs' })
  const mine = { ...ofB, labels: ['k8s:ns:shop'] }
  t.like(judge(first, cart, mine).records()[0], { src_identity_check: 'agrees', src_identity_expected: '' })
  t.like(judge(first, domain('example.org', true)).records()[0], { src_identity_check: '', src_identity_expected: '' })
})

test('what is told later of an entry changes what is said from then on', t => {
  const identities = new IdentityTable()
  for (const version of [cart, own]) identities.add(version)
  const id = () => identities.standing('east', 'shop', 'cart-1', 1000 * second)?.id
  t.is(id(), spiffe('/ns/shop/sa/cart'))
  identities.add({ ...own, valid_to: 900 * second })
  t.is(id(), '')
})

test('what is not understood is told once and counted', t => {
  const told: string[] = []
  const identities = new IdentityTable({}, (name, reason) => void told.push(`${name}: ${reason}`))
  const bad = [
    template('{{ .ClusterName }}/x'),
    { ...entry('1', '/x', []), spec: '{' },
    { ...strict(), spec: '{"kind":"PeerAuthentication"' },
  ]
  for (const version of [...bad, ...bad]) identities.add(version)
  t.is(identities.unsupported, 3)
  t.is(told.length, 3)
  t.is(told[0], 'network_policy template: .ClusterName, and there is no cluster_name')
})

test('a class nobody told of is named, and so is a function that spire-controller-manager does not have', t => {
  const told: string[] = []
  const identities = new IdentityTable({}, (_, reason) => void told.push(reason))
  identities.add(template('a.test/x', { className: 'spire-spire' }))
  identities.add({ ...template('{{ lower "A" }}'), uid: 'y' })
  t.deepEqual(told, [
    'the class spire-spire, which is in no class_names',
    'the function lower, which spire-controller-manager does not have',
  ])
  t.is(identities.unsupported, 2)
})

test('what is no regular expression is said at once', t => {
  const spire_controller_managers = { east: { ignore_namespaces: ['a', '('] } }
  t.throws(() => new IdentityTable({ spire_controller_managers }), {
    instanceOf: ConfigError,
    message: 'enrich.identity.spire_controller_managers.east.ignore_namespaces.1: expected a regular expression, got "("',
  })
})

test('what ended long ago is forgotten', t => {
  const identities = new IdentityTable()
  const day = 86_400 * second
  identities.add({ ...cart, time: 0, valid_to: 1 * day })
  identities.add({ kind: 'history', time: 2 * day })
  for (let i = 0; i < 5000; i++) identities.add({ ...payment, uid: `${i}`, name: `p-${i}`, time: 10 * day })
  t.is(identities.standing('east', 'shop', 'cart-1', 1000 * second), undefined)
  t.true(identities.standing('east', 'shop', 'p-4999', 1000 * second)?.known)
})
