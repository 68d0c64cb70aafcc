import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { labelsOf } from '../../../collectors/kubernetes/labels.ts'
import { groupOf, resources } from '../../../collectors/kubernetes/resource.ts'
import { IdentityTable } from '../../../enricher/tables/identities.ts'
import { type ObjectVersion, openEnd } from '../../../schema/object.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { type Crd, change, install, readManifests, realCrds, remove } from '../../helpers/crds.ts'
import { type KubernetesObject, type TestCluster, openTestCluster } from '../../helpers/kubernetes.ts'
import { until } from '../../helpers/wait.ts'
import { Told, collect } from './collecting.ts'

const quick = { absentMs: 300, longestRetryMs: 500 }
const projects = ['calico', 'cilium', 'gateway-api', 'istio', 'linkerd', 'spire', 'consul']
const manifests = (name: string) => readManifests(path.join(import.meta.dirname, 'manifests', `${name}.yaml`))

interface World {
  cluster: TestCluster
  crds: ReadonlyMap<string, Crd>
}

let opened: World | undefined

/** A server with the CRDs of what is followed, but Consul's; the tests of this file share it and leave no objects behind. */
async function world(t: ExecutionContext): Promise<World | undefined> {
  t.timeout(120_000)
  const crds = await realCrds(t)
  if (!crds) return undefined
  if (opened) return opened
  const cluster = await openTestCluster()
  opened = { cluster, crds }
  for (const name of ['shop', 'istio-system']) await cluster.create('/api/v1/namespaces', { metadata: { name } })
  await Promise.all(followed(crds).map(crd => (crd.spec.group.startsWith('consul') ? undefined : install(cluster, crd))))
  return opened
}

test.after.always(() => opened?.cluster[Symbol.asyncDispose]())

/** Those of which there is a CRD, which is all but what Calico's own API server has. */
const followed = (crds: ReadonlyMap<string, Crd>) =>
  resources.flatMap(({ plural, apiVersions, optional }) => {
    const found = apiVersions.flatMap(version => crds.get(`${plural}.${groupOf(version)}`) ?? [])
    if (optional && !found.length) throw new Error(`no CRD of ${plural}`)
    return [...new Set(found)]
  })

const crdOf = ({ crds }: World, { apiVersion, kind }: KubernetesObject) =>
  [...crds.values()].find(({ spec }) => spec.group === groupOf(apiVersion) && spec.names.kind === kind)!

function collectionOf(world: World, object: KubernetesObject): string {
  const { spec } = crdOf(world, object)
  const { namespace } = object.metadata
  return `/apis/${object.apiVersion}/${namespace ? `namespaces/${namespace}/` : ''}${spec.names.plural}`
}

const pathOf = (world: World, object: KubernetesObject) => `${collectionOf(world, object)}/${object.metadata.name}`

/** Made only if the schema knows every field of it. */
const create = (world: World, object: KubernetesObject) =>
  world.cluster.create(`${collectionOf(world, object)}?fieldValidation=Strict`, object)

const specOf = (version: ObjectVersion) =>
  JSON.parse(version.spec!) as { apiVersion: string; kind: string; spec?: object; specs?: object[] }

const openVersion = (told: Told, { metadata: { uid } }: KubernetesObject) =>
  [...told.versions.values()].find(version => version.uid === uid && version.valid_to === openEnd)

const toldVersion = (told: Told, object: KubernetesObject) =>
  until(`${object.kind} ${object.metadata.name}`, () => openVersion(told, object))

const versionsOf = (told: Told, { metadata: { uid } }: KubernetesObject) =>
  [...told.versions.values()].filter(version => version.uid === uid).sort((a, b) => a.valid_from! - b.valid_from!)

/** Collects while something is done; what was made is removed. */
async function following(world: World, act: (following: Following) => Promise<void>): Promise<void> {
  const { cluster } = world
  await using bus = await openTestBus()
  await using told = new Told(bus.bus)
  await using collecting = await collect(bus.bus, { kubeconfig: await cluster.kubeconfig('admin') }, quick)
  await until('a heartbeat', () => told.heartbeat)
  const made: KubernetesObject[] = []
  try {
    await act({
      told,
      collecting,
      make: async object => {
        const created = await create(world, object)
        made.push(created)
        return created
      },
    })
  } finally {
    for (const object of made) await cluster.ask('DELETE', pathOf(world, object))
  }
}

interface Following {
  told: Told
  collecting: Awaited<ReturnType<typeof collect>>
  make(object: KubernetesObject): Promise<KubernetesObject>
}

const kindOf: Record<string, string> = {
  PeerAuthentication: 'authentication',
  MeshTLSAuthentication: 'authentication',
  NetworkAuthentication: 'authentication',
  Gateway: 'gateway',
  HTTPRoute: 'route',
  ClusterSPIFFEID: 'identity_rule',
}

/** What people called it. */
const plainName: Record<string, [name: string, labels?: string[]]> = {
  'default.allow-frontend': ['allow-frontend', ['team=checkout']],
  'default.older': ['older'],
  'default.next': ['next'],
  'default.deny-all': ['deny-all'],
}

for (const project of projects)
  test.serial(`what ${project} lets people write down is told as they wrote it, and its end`, async t => {
    const shared = await world(t)
    if (!shared) return
    if (project === 'consul') await install(shared.cluster, shared.crds.get('serviceintentions.consul.hashicorp.com')!)
    const objects = await manifests(project)
    await following(shared, async ({ told, collecting, make }) => {
      const made = []
      for (const object of objects) made.push(await make(object))
      for (const [at, object] of made.entries()) {
        const version = await toldVersion(told, object)
        const { apiVersion, kind, metadata } = objects[at]
        const [name, labels = labelsOf(metadata.labels as Record<string, string>)] = plainName[metadata.name] ?? [metadata.name]
        const { namespace = '' } = metadata
        t.like(version, { kind: kindOf[kind] ?? 'network_policy', namespace, name, labels, cluster: 'test' }, metadata.name)
        t.like(specOf(version), { apiVersion, kind }, metadata.name)
        t.deepEqual(specOf(version).spec, object.spec as object | undefined, `${kind} ${metadata.name}: all the server has`)
        t.like(specOf(version), { spec: objects[at].spec, specs: objects[at].specs }, `${kind} ${metadata.name}: all that was written`)
        const created = Date.parse(String(object.metadata.creationTimestamp)) * 1000
        t.true(version.valid_from! >= created && version.valid_from! < created + 5_000_000)
      }
      for (const object of made) await shared.cluster.delete(pathOf(shared, object))
      for (const object of made) await until(`the end of ${object.metadata.name}`, () => !openVersion(told, object))
      t.is(collecting.discarded.size, 0)
    })
  })

test.serial('a change of what is written makes another version; one of the status makes none', async t => {
  const shared = await world(t)
  if (!shared) return
  const [policy] = await manifests('istio')
  await following(shared, async ({ told, make }) => {
    const object = await make(policy)
    const { uid } = await toldVersion(told, object)
    const at = pathOf(shared, object)
    await shared.cluster.patch(`${at}/status`, { status: { conditions: [{ type: 'Accepted', status: 'True' }] } })
    await shared.cluster.patch(at, { spec: { action: 'DENY' } })
    await until('the change', () => specOf(openVersion(told, object)!).spec?.['action' as never] === 'DENY')
    await shared.cluster.patch(at, { metadata: { labels: { team: 'payments' } } })
    await until('the labels', () => openVersion(told, object)?.labels?.includes('team=payments'))
    const versions = versionsOf(told, object)
    t.is(versions.length, 3)
    t.deepEqual(
      versions.map(({ valid_to }) => valid_to),
      [versions[1].valid_from, versions[2].valid_from, openEnd],
    )
    for (const version of versions) t.is(version.uid, uid)
  })
})

test.serial('of what Cilium writes down of pods there are addresses, numbers and labels', async t => {
  const shared = await world(t)
  if (!shared) return
  const [identity, endpoint] = await manifests('cilium-state')
  await following(shared, async ({ told, make }) => {
    const numbered = await toldVersion(told, await make(identity))
    t.like(numbered, { kind: 'identity', name: '48213', namespace: 'shop', service_account: 'cart' })
    t.true(numbered.labels!.includes('k8s:app=cart'))
    const object = await make(endpoint)
    const version = await toldVersion(told, object)
    t.like(version, { kind: 'endpoint', namespace: 'shop', name: 'cart-1', addresses: ['10.244.0.17', 'fd00::17'] })
    t.is((JSON.parse(version.spec!) as { identity: number }).identity, 48213)
    // The agent writes it so: its CRD has no status of its own.
    await shared.cluster.patch(pathOf(shared, object), { status: { state: 'regenerating' } })
    await shared.cluster.patch(pathOf(shared, object), {
      status: { identity: { id: 50001 }, networking: { addressing: [{ ipv4: '10.244.0.18' }] } },
    })
    await until('its new address', () => openVersion(told, object)?.addresses?.includes('10.244.0.18'))
    t.is(versionsOf(told, object).length, 2)
  })
})

test.serial('a gateway has the addresses it was given; a waypoint is one by its class', async t => {
  const shared = await world(t)
  if (!shared) return
  const [edge, waypoint] = await manifests('gateway-api')
  await following(shared, async ({ told, make }) => {
    const object = await make(edge)
    t.deepEqual((await toldVersion(told, object)).addresses, [])
    const addresses = [
      { type: 'IPAddress', value: '192.0.2.10' },
      { type: 'IPAddress', value: '2001:db8::10' },
      { type: 'Hostname', value: 'edge.shop.example' },
    ]
    await shared.cluster.patch(`${pathOf(shared, object)}/status`, { status: { addresses } })
    await until('its addresses', () => openVersion(told, object)?.addresses?.length === 2)
    t.deepEqual(openVersion(told, object)?.addresses, ['192.0.2.10', '2001:db8::10'])
    const version = await toldVersion(told, await make(waypoint))
    t.like(specOf(version), { spec: { gatewayClassName: 'istio-waypoint', listeners: [{ port: 15008, protocol: 'HBONE' }] } })
    t.deepEqual(version.labels, ['istio.io/waypoint-for=service'])
  })
})

test.serial('a CRD that is installed later is found; removed and installed again, it is found again', async t => {
  const shared = await world(t)
  if (!shared) return
  const { cluster, crds } = shared
  const crd = crds.get('serviceintentions.consul.hashicorp.com')!
  const [intentions] = await manifests('consul')
  await remove(cluster, crd).catch(() => {})
  await following(shared, async ({ told, collecting }) => {
    const absent = () => (collecting.status()!.detail as { clusters: { absent: string[] }[] }).clusters[0].absent
    await until('its absence', () => absent().includes(crd.metadata.name))
    await install(cluster, crd)
    const first = await create(shared, intentions)
    await toldVersion(told, first)
    await remove(cluster, crd)
    await until('its end', () => !openVersion(told, first))
    await until('its absence', () => absent().includes(crd.metadata.name))
    await install(cluster, crd)
    const second = await create(shared, intentions)
    t.not(second.metadata.uid, first.metadata.uid)
    await toldVersion(told, second)
    t.is(told.open('network_policy').filter(({ name }) => name === 'cart').length, 1)
    await remove(cluster, crd)
    // At once, so that nobody sees that it was away.
    await install(cluster, crd)
    const third = await create(shared, intentions)
    await toldVersion(told, third)
    await until('the end of the one before', () => !openVersion(told, second))
    await cluster.delete(pathOf(shared, third))
    await until('its end', () => !openVersion(told, third))
  })
})

test.serial('when a version of a CRD is served no more, its objects go on in the one that is', async t => {
  const shared = await world(t)
  if (!shared) return
  const { cluster, crds } = shared
  const crd = crds.get('authorizationpolicies.security.istio.io')!
  const [v1, v1beta1] = ['v1', 'v1beta1'].map(name => crd.spec.versions.find(version => version.name === name)!)
  const serving = (newer: boolean) => ({
    versions: [
      { ...v1, served: newer, storage: newer },
      { ...v1beta1, served: !newer, storage: !newer },
    ],
  })
  const isServed = (version: string) => async () =>
    (await cluster.ask('GET', `/apis/${crd.spec.group}/${version}/authorizationpolicies`)).status === 200
  await change(cluster, crd, serving(false))
  await until('v1beta1 alone', async () => (await isServed('v1beta1')()) && !(await isServed('v1')()))
  const [policy] = await manifests('istio')
  try {
    await following(shared, async ({ told }) => {
      const object = await create(shared, { ...policy, apiVersion: 'security.istio.io/v1beta1' })
      t.is(specOf(await toldVersion(told, object)).apiVersion, 'security.istio.io/v1beta1')
      await change(cluster, crd, serving(true))
      await until('it in v1', () => openVersion(told, object) && specOf(openVersion(told, object)!).apiVersion === 'security.istio.io/v1')
      const [before, after, ...more] = versionsOf(told, object)
      t.deepEqual([before.valid_to, more], [after.valid_from, []], 'without a gap')
      await cluster.delete(pathOf(shared, policy))
      await until('its end', () => !openVersion(told, object))
    })
  } finally {
    await change(cluster, crd, { versions: crd.spec.versions })
  }
})

test.serial('fields that a newer release of a CRD has are kept as they are', async t => {
  const shared = await world(t)
  if (!shared) return
  const { cluster, crds } = shared
  const crd = crds.get('clusterspiffeids.spire.spiffe.io')!
  const newer = structuredClone(crd.spec)
  const schema = newer.versions[0].schema as { openAPIV3Schema: { properties: { spec: { properties: Record<string, object> } } } }
  schema.openAPIV3Schema.properties.spec.properties.brandNew = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  await change(cluster, crd, { versions: newer.versions })
  const [rule] = await manifests('spire')
  const spec = { ...(rule.spec as object), brandNew: { of: ['any', { shape: 1 }] } }
  try {
    await following(shared, async ({ told, make }) => {
      await until('the newer definition', async () => {
        const tried = await cluster.ask('POST', `${collectionOf(shared, rule)}?fieldValidation=Strict&dryRun=All`, { ...rule, spec })
        return tried.status === 201
      })
      const version = await toldVersion(told, await make({ ...rule, spec }))
      t.like(specOf(version), { spec })
    })
  } finally {
    await change(cluster, crd, { versions: crd.spec.versions })
  }
})

test.serial('an object that ends while nobody looks, with its CRD, is ended by the next that looks', async t => {
  const shared = await world(t)
  if (!shared) return
  const { cluster, crds } = shared
  const crd = crds.get('servers.policy.linkerd.io')!
  const [server] = await manifests('linkerd')
  await using bus = await openTestBus()
  await using told = new Told(bus.bus)
  const kubeconfig = await cluster.kubeconfig('admin')
  const first = await collect(bus.bus, { kubeconfig }, quick)
  await until('a heartbeat', () => told.heartbeat)
  const object = await create(shared, server)
  await toldVersion(told, object)
  await first[Symbol.asyncDispose]()
  await remove(cluster, crd)
  await sleep(100)
  await using _second = await collect(bus.bus, { kubeconfig }, quick)
  await until('its end', () => !openVersion(told, object))
  const [version] = versionsOf(told, object)
  t.true(version.ended_after! > 0 && version.ended_after! < version.valid_to!)
  await install(cluster, crd)
})

test.serial('what is told of identities and of who must prove himself is what the enricher decides by', async t => {
  const shared = await world(t)
  if (!shared) return
  const { cluster } = shared
  const rules = [...(await manifests('spire')), ...(await manifests('istio')).filter(({ kind }) => kind === 'PeerAuthentication')]
  await following(shared, async ({ told, make }) => {
    await cluster.create('/api/v1/nodes', { metadata: { name: 'node-1' } })
    const labels = { app: 'cart', 'security.istio.io/tlsMode': 'istio' }
    const containers = [{ name: 'main', image: 'registry.example/cart' }]
    const spec = { nodeName: 'node-1', serviceAccountName: 'cart', containers }
    const at = '/api/v1/namespaces/shop/pods'
    await cluster.create(at, { metadata: { name: 'cart-1', labels }, spec })
    await cluster.patch(`${at}/cart-1/status`, { status: { phase: 'Running', podIP: '10.244.0.17', podIPs: [{ ip: '10.244.0.17' }] } })
    for (const rule of rules) await toldVersion(told, await make(rule))
    await until('the pod', () => told.open('pod').length)
    await until('its node', () => told.open('node').length)
    const table = new IdentityTable({
      trust_domains: { test: 'shop.example' },
      spire_controller_managers: { test: { class_names: ['spire-mgmt-spire'] } },
    })
    for (const version of told.versions.values()) table.add(version)
    const standing = table.standing('test', 'shop', 'cart-1', Date.now() * 1000)
    t.like(standing, { id: 'spiffe://shop.example/ns/shop/sa/cart', source: 'template' })
    t.is(standing?.demand?.by, 'PeerAuthentication shop/cart')
    t.is(standing?.demand?.ports.get(9090), '')
    t.is(table.unsupported, 0)
    await cluster.delete(`${at}/cart-1`)
    await cluster.delete('/api/v1/nodes/node-1')
  })
})
