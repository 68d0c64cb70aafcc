import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { parseAllDocuments } from 'yaml'
import { resources } from '../../../collectors/kubernetes/resource.ts'
import { type ObjectVersion, openEnd } from '../../../schema/object.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { stop } from '../../helpers/hubble-rig.ts'
import { openLink } from '../../helpers/faults/link.ts'
import { type KubernetesObject, type TestCluster, hasApiServer, openTestCluster } from '../../helpers/kubernetes.ts'
import { until } from '../../helpers/wait.ts'
import { type Collecting, Told, collect } from './collecting.ts'
import { type Group, each, nodeCount, podPath, putSlice, seedGroups, startPod } from './seeded.ts'

const podCount = 2000
const namespaceCount = 20
const groupCount = 5 * namespaceCount
const quick = { absentMs: 1000, longestRetryMs: 2000 }

const addressOf = (number: number) => `10.244.${number >> 8}.${number & 255}`

/** What a pod's record must say, out of a LIST and the way the test made it. */
interface Slice extends KubernetesObject {
  metadata: KubernetesObject['metadata'] & { labels: Record<string, string> }
  endpoints: { targetRef: { uid: string } }[]
}

function expectedOf(pod: KubernetesObject, services: ReadonlyMap<string, string>) {
  const { metadata, spec, status } = pod as KubernetesObject & {
    spec: { nodeName: string; serviceAccountName: string }
    status: { podIP: string }
  }
  const { uid, name, namespace, labels } = metadata as KubernetesObject['metadata'] & { labels: Record<string, string> }
  const number = Number(spec.nodeName.split('-')[1])
  return {
    uid,
    name,
    namespace,
    addresses: [status.podIP],
    node: spec.nodeName,
    zone: `zone-${number % 2}`,
    workload: labels.app,
    workload_kind: 'Deployment',
    services: services.has(uid!) ? [services.get(uid!)] : [],
    service_account: spec.serviceAccountName,
    ports: ['tcp/8080'],
    labels: Object.entries(labels)
      .sort()
      .map(([key, value]) => `${key}=${value}`),
  }
}

function toldOf(version: ObjectVersion) {
  const { uid, name, namespace, addresses, node, zone, workload, workload_kind, services, service_account, ports, labels } = version
  return { uid, name, namespace, addresses, node, zone, workload, workload_kind, services, service_account, ports, labels }
}

const byUid = (a: { uid?: string }, b: { uid?: string }) => (a.uid! < b.uid! ? -1 : 1)

async function expectedPods(cluster: TestCluster) {
  const slices = (await cluster.list('/apis/discovery.k8s.io/v1/endpointslices')) as Slice[]
  const services = new Map(
    slices.flatMap(({ metadata, endpoints }) =>
      endpoints.map(({ targetRef }) => [targetRef.uid, `${metadata.namespace}/${metadata.labels['kubernetes.io/service-name']}`] as const),
    ),
  )
  return (await cluster.list('/api/v1/pods')).map(pod => expectedOf(pod, services)).sort(byUid)
}

/** Open versions and what the server lists, object for object, once a heartbeat says that all is told. */
async function isAsListed(told: Told, cluster: TestCluster, timeoutMs = 30_000): Promise<boolean> {
  const now = Date.now() * 1000
  await until('a heartbeat', () => told.heartbeat > now, { timeoutMs })
  const expected = await expectedPods(cluster)
  return JSON.stringify(told.open('pod').map(toldOf).sort(byUid)) === JSON.stringify(expected)
}

/** No object has two versions at a time. */
function overlaps(told: Told): string[] {
  const found = []
  for (const versions of Map.groupBy(told.versions.values(), ({ kind, uid }) => `${kind}/${uid}`).values()) {
    versions.sort((a, b) => a.valid_from! - b.valid_from!)
    for (const [at, { uid, valid_to }] of versions.entries())
      if (at + 1 < versions.length && valid_to! > versions[at + 1].valid_from!) found.push(uid!)
  }
  return found
}

interface World {
  cluster: TestCluster
  groups: Group[]
  pods: Map<string, KubernetesObject>
  /** Numbers pods and addresses anew. */
  next: number
}

let opened: World | undefined

/** The server with its 2,000 pods, which the tests of this file share; each leaves it as it is then. */
async function world(t: ExecutionContext): Promise<World | undefined> {
  if (!(await hasApiServer(t))) return undefined
  t.timeout(120_000)
  if (opened) return opened
  const cluster = await openTestCluster()
  opened = { cluster, groups: [], pods: new Map(), next: 1 }
  opened.groups = await seedGroups(cluster, namespaceCount)
  await each([...Array(podCount).keys()], at => startNext(opened!, opened!.groups[at % opened!.groups.length]))
  const byApp = Map.groupBy(
    opened.pods.values(),
    ({ metadata: { namespace, labels } }) => `${namespace}/${(labels as { app: string }).app}`,
  )
  await each(opened.groups, group => putSlice(cluster, group, byApp.get(`${group.namespace}/${group.app}`) ?? []))
  return opened
}

test.after.always(() => opened?.cluster[Symbol.asyncDispose]())

/** Starts one more pod of a group, by its own name and address or by those of another. */
async function startNext(world: World, group: Group, { name, address }: { name?: string; address?: string } = {}) {
  const number = world.next++
  const pod = await startPod(world.cluster, group, name ?? `${group.app}-abc12-${number}`, number, address ?? addressOf(number))
  world.pods.set(pod.metadata.uid!, pod)
  return pod
}

async function remove({ cluster, pods }: World, pod: KubernetesObject) {
  pods.delete(pod.metadata.uid!)
  await cluster.delete(podPath(pod.metadata.namespace!, pod.metadata.name))
}

const groupOfPod = ({ groups }: World, { metadata: { namespace, labels } }: KubernetesObject) =>
  groups.find(group => group.namespace === namespace && group.app === (labels as { app: string }).app)!

/** So many pods go; others get their addresses, half of them their names too. Returns those that went. */
async function churn(world: World, count: number): Promise<KubernetesObject[]> {
  const victims = [...world.pods.values()].filter((_, at) => at % 3 === 0).slice(0, count)
  await each(victims, victim => remove(world, victim))
  await each(victims, (victim, at) => {
    const address = (victims[(at + 1) % victims.length].status as { podIP: string }).podIP
    return startNext(world, groupOfPod(world, victim), { address, name: at % 2 ? victim.metadata.name : undefined })
  })
  return victims
}

/** Word of an event may have been on its way for as long: so long before the end of the one before the next may have begun. */
const mostLagMicros = 5e6

/** Addresses that two pods have at one time, for longer than nobody can tell which. */
function sharedAddresses(told: Told): string[] {
  const byAddress = Map.groupBy(told.of('pod'), ({ addresses }) => addresses![0])
  return [...byAddress].flatMap(([address, versions]) => {
    versions.sort((a, b) => a.valid_from! - b.valid_from!)
    const isShared = versions.some(
      ({ valid_to }, at) => at + 1 < versions.length && valid_to! > versions[at + 1].valid_from! + mostLagMicros,
    )
    return isShared ? [address] : []
  })
}

/** What a test has at hand. */
interface Watched {
  shared: World
  cluster: TestCluster
  bus: Awaited<ReturnType<typeof openTestBus>>
  /** What is told on the bus. */
  told: Told
  /** A collector that follows the cluster as a user, over a port other than its own where there is a link between. */
  following(as?: { user?: Parameters<TestCluster['kubeconfig']>[0]; port?: number }): Promise<Collecting>
}

/** One after the other, because each changes the cluster. */
const watched = (title: string, run: (t: ExecutionContext, watched: Watched) => Promise<void>) =>
  test.serial(title, async t => {
    const shared = await world(t)
    if (!shared) return
    const { cluster } = shared
    await using bus = await openTestBus()
    await using told = new Told(bus.bus)
    const following: Watched['following'] = async ({ user = 'admin', port } = {}) =>
      collect(bus.bus, { kubeconfig: await cluster.kubeconfig(user, port) }, quick)
    await run(t, { shared, cluster, bus, told, following })
  })

watched(
  'objects that were there before are told one for one, since when they are there',
  async (t, { shared, cluster, told, following }) => {
    await using collecting = await following()
    t.true(await isAsListed(told, cluster))
    t.is(told.open('pod').length, podCount)
    t.is(told.messages.get('pod'), podCount, 'each of them once')
    for (const { uid, valid_from } of told.open('pod')) {
      const created = Date.parse(String(shared.pods.get(uid!)!.metadata.creationTimestamp)) * 1000
      t.true(valid_from! >= created && valid_from! < created + 3_000_000)
    }
    const count = (kind: string) => told.open(kind).length
    t.deepEqual(
      { node: count('node'), service: count('service'), workload: count('workload'), policy: count('network_policy') },
      {
        node: nodeCount,
        service: groupCount + 1,
        workload: groupCount,
        policy: groupCount,
      },
    )
    t.deepEqual(
      told
        .open('node')
        .map(({ name, addresses, zone }) => [name, addresses, zone])
        .sort()[0],
      ['node-0', ['10.1.0.10'], 'zone-0'],
    )
    t.like(collecting.status(), { ready: true })
  },
)

watched(
  'what comes and goes while it is watched is told as it happens, and an address has one holder at a time but for a moment',
  async (t, { shared, cluster, told, following }) => {
    await using collecting = await following()
    t.true(await isAsListed(told, cluster))
    const begun = Date.now() * 1000
    const victims = await churn(shared, 200)
    t.true(await isAsListed(told, cluster))
    const ended = told.of('pod').filter(({ valid_to }) => valid_to !== openEnd)
    t.deepEqual(ended.map(({ uid }) => uid).sort(), victims.map(({ metadata: { uid } }) => uid).sort())
    for (const { valid_to, ended_after } of ended) t.true(valid_to! >= begun && ended_after === 0, 'its end was seen')
    t.deepEqual(overlaps(told), [])
    t.deepEqual(sharedAddresses(told), [])
    t.is(collecting.discarded.size, 0)
  },
)

watched('kill -9 of the API server costs nothing but heartbeats while it is away', async (t, { shared, cluster, told, following }) => {
  await using collecting = await following()
  t.true(await isAsListed(told, cluster))
  await cluster.killServer()
  await until('it is said', () => /does not answer/.test(collecting.status()?.reason ?? ''))
  const { heartbeat } = told
  await sleep(1500)
  t.is(told.heartbeat, heartbeat, 'nobody claims to know anything')
  await cluster.startServer()
  const victims = await churn(shared, 20)
  t.true(await isAsListed(told, cluster))
  t.is(told.of('pod').filter(({ valid_to }) => valid_to !== openEnd).length, victims.length)
  t.deepEqual(overlaps(told), [])
  t.is(collecting.log.filter(line => line.includes('does not answer')).length, 1, 'logged once')
})

watched(
  'what was deleted behind a cut link is ended, even where the server has forgotten that it was',
  async (t, { shared, cluster, told, following }) => {
    await using link = await openLink(cluster.port)
    await using _collecting = await following({ port: link.port })
    t.true(await isAsListed(told, cluster))
    await link.cut()
    const cut = Date.now() * 1000
    await sleep(1000)
    const victims = await churn(shared, 40)
    await cluster.compact()
    await cluster.killServer()
    await cluster.startServer()
    const mended = Date.now() * 1000
    await link.mend()
    t.true(await isAsListed(told, cluster))
    const ended = told.of('pod').filter(({ valid_to }) => valid_to !== openEnd)
    t.deepEqual(ended.map(({ uid }) => uid).sort(), victims.map(({ metadata: { uid } }) => uid).sort())
    for (const { ended_after, valid_to } of ended)
      t.true(ended_after! > 0 && ended_after! <= cut && valid_to! >= mended, 'somewhen between')
    t.deepEqual(overlaps(told), [])
  },
)

watched(
  'a collector that is killed goes on where it was: nothing doubled, what vanished is ended',
  async (t, { shared, cluster, told, following }) => {
    const first = await following()
    t.true(await isAsListed(told, cluster))
    await first[Symbol.asyncDispose]()
    const messages = told.messages.get('pod')!
    const { heartbeat } = told
    const stays = new Map(told.open('pod').map(({ uid, valid_from }) => [uid, valid_from]))
    const victims = await churn(shared, 30)
    await using _second = await following()
    t.true(await isAsListed(told, cluster))
    t.is(told.messages.get('pod'), messages + 2 * victims.length, 'one message for each that went and each that came')
    for (const { uid, valid_from } of told.open('pod')) if (stays.has(uid)) t.is(valid_from, stays.get(uid))
    for (const { metadata } of victims) {
      const [version] = told.of('pod').filter(({ uid }) => uid === metadata.uid)
      t.true(version.ended_after === heartbeat && version.valid_to! > heartbeat && version.valid_to !== openEnd)
    }
    t.deepEqual(overlaps(told), [])
  },
)

const crd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'authorizationpolicies.security.istio.io' },
  spec: {
    group: 'security.istio.io',
    scope: 'Namespaced',
    names: { kind: 'AuthorizationPolicy', plural: 'authorizationpolicies', singular: 'authorizationpolicy' },
    versions: [
      {
        name: 'v1beta1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}

watched(
  'policies of a mesh that is installed later are told, in whatever version there is, and end when it is removed',
  async (t, { cluster, told, following }) => {
    await using collecting = await following()
    t.true(await isAsListed(told, cluster))
    t.deepEqual(detailOf(collecting).not_followed, [])
    t.true(detailOf(collecting).absent.includes(crd.metadata.name))
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    await cluster.create(definitions, crd)
    const policies = '/apis/security.istio.io/v1beta1/namespaces/team-0/authorizationpolicies'
    const spec = { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['team-1'] } }] }] }
    const policy = { apiVersion: 'security.istio.io/v1beta1', kind: 'AuthorizationPolicy', metadata: { name: 'deny-team-1' }, spec }
    await until('the definition', async () => (await cluster.ask('POST', policies, policy)).status === 201)
    const version = await until('the policy', () => told.open('network_policy').find(({ name }) => name === 'deny-team-1'))
    t.deepEqual(JSON.parse(version.spec!), { apiVersion: policy.apiVersion, kind: policy.kind, spec })
    await cluster.delete(`${definitions}/${crd.metadata.name}`)
    await until('its end', () => told.open('network_policy').every(({ name }) => name !== 'deny-team-1'))
    t.is(told.open('network_policy').length, groupCount, 'and no other')
  },
)

interface ClusterDetail {
  absent: string[]
  not_followed: { phase: string }[]
}

function detailOf(collecting: Collecting): ClusterDetail {
  const detail = collecting.status()?.detail as { clusters: ClusterDetail[] } | undefined
  return detail?.clusters[0] ?? { absent: [], not_followed: [] }
}

watched(
  'a missing right is said once; those of deploy/kubernetes/rbac.yaml and no others are enough',
  async (t, { cluster, told, following }) => {
    await using collecting = await following({ user: 'reader' })
    await until('refusals', () => {
      const refused = detailOf(collecting).not_followed.filter(({ phase }) => phase === 'refused')
      return refused.length === resources.length
    })
    t.is(told.messages.size, 0)
    const manifests = parseAllDocuments(await readFile('deploy/kubernetes/rbac.yaml', 'utf8')).map(each => each.toJS() as KubernetesObject)
    const roles = '/apis/rbac.authorization.k8s.io/v1'
    const role = manifests.find(({ kind }) => kind === 'ClusterRole')!
    const binding = manifests.find(({ kind }) => kind === 'ClusterRoleBinding')!
    await cluster.create(`${roles}/clusterroles`, role)
    const subjects = [{ kind: 'User', name: 'reader', apiGroup: 'rbac.authorization.k8s.io' }]
    await cluster.create(`${roles}/clusterrolebindings`, { ...binding, subjects })
    t.true(await isAsListed(told, cluster))
    await until('all are followed', () => !detailOf(collecting).not_followed.length)
    const warnings = collecting.log.filter(line => line.includes('does not let us'))
    t.is(warnings.length, new Set(warnings).size)
    t.true(warnings.length <= resources.length)
  },
)

watched(
  'while nothing comes through, nobody claims to know anything, and what happened meanwhile is told as uncertain',
  async (t, { shared, cluster, told, following }) => {
    await using link = await openLink(cluster.port)
    await using collecting = await following({ port: link.port })
    t.true(await isAsListed(told, cluster))
    link.stall(true)
    await until('it is said', () => /does not answer/.test(collecting.status()?.reason ?? ''))
    await sleep(4000)
    const { heartbeat } = told
    const victims = await churn(shared, 10)
    await sleep(1000)
    t.is(told.heartbeat, heartbeat)
    link.stall(false)
    t.true(await isAsListed(told, cluster))
    const ended = told.of('pod').filter(({ valid_to }) => valid_to !== openEnd)
    t.deepEqual(ended.map(({ uid }) => uid).sort(), victims.map(({ metadata: { uid } }) => uid).sort())
    // At the latest when somebody asked for it, which the API tells of what it deletes.
    for (const { ended_after, valid_to } of ended) t.true(ended_after! >= heartbeat - 2_000_000 && ended_after! < valid_to!)
  },
)

watched(
  'a process that is killed with -9 again and again, while pods come and go, tells each of them once',
  async (t, { shared, cluster, bus, told }) => {
    const env = {
      ...process.env,
      WEIR_KUBECONFIG: await cluster.kubeconfig('admin'),
      WEIR_KUBERNETES_CLUSTER: 'test',
      WEIR_BUS_PATH: bus.path,
      WEIR_DATA_DIR: cluster.directory,
    }
    const start = () => spawn(process.execPath, ['deploy/weir.js', 'collect'], { env, stdio: 'ignore' })
    let collector = start()
    try {
      t.true(await isAsListed(told, cluster))
      for (let round = 0; round < 2; round++) {
        const churning = churn(shared, 60)
        await sleep(200 * (round + 1))
        await stop(collector)
        await churning
        collector = start()
        t.true(await isAsListed(told, cluster))
      }
    } finally {
      await stop(collector)
    }
    t.deepEqual(overlaps(told), [])
    t.is(new Set(told.of('pod').map(({ uid }) => uid)).size, told.of('pod').length, 'one version each')
  },
)

watched('an etcd that was set back is noticed: what there is then is told', async (t, { cluster, told, following }) => {
  await using _collecting = await following()
  t.true(await isAsListed(told, cluster))
  await cluster.wipe()
  const groups = await seedGroups(cluster, 1)
  await startPod(cluster, groups[0], 'first-again', 1, addressOf(1))
  t.true(await isAsListed(told, cluster))
  t.deepEqual(
    told.open('pod').map(({ name }) => name),
    ['first-again'],
  )
})
