import test from 'ava'
import { ClockOffset } from '../../../collectors/kubernetes/clock.ts'
import type { Facts } from '../../../collectors/kubernetes/facts.ts'
import type { ApiObject } from '../../../collectors/kubernetes/object.ts'
import { clustersOf } from '../../../collectors/kubernetes/options.ts'
import { describePod } from '../../../collectors/kubernetes/pod.ts'
import { Pods } from '../../../collectors/kubernetes/pods.ts'
import { resourceOf, resources } from '../../../collectors/kubernetes/resource.ts'
import { kubernetes } from '../../../collectors/kubernetes/source.ts'
import { ConfigError } from '../../../runtime/error.ts'

const factsOf = (
  name: string,
  object: object,
  apiVersion = resources.find(each => each.name === name)!.apiVersions[0],
): Facts | undefined => resources.find(each => each.name === name)!.facts!({ apiVersion, ...object } as ApiObject)

const metadata = { name: 'cart', namespace: 'shop', uid: 'u', labels: { b: '2', a: '1' } }
const labels = ['a=1', 'b=2']
const named = { namespace: 'shop', name: 'cart', labels }
const template = {
  metadata: { labels: { app: 'cart' } },
  spec: { serviceAccountName: 'cart', containers: [{ name: 'c', image: 'cart:1' }] },
}

const cases: Record<string, [resource: string, object: object, facts: Facts | undefined]> = {
  'a service has addresses in the cluster, outside, and of its load balancer': [
    'services',
    {
      metadata,
      spec: {
        type: 'LoadBalancer',
        clusterIP: '10.0.0.1',
        clusterIPs: ['10.0.0.1', 'fd00::1'],
        externalIPs: ['192.0.2.1'],
        selector: { app: 'cart' },
        ports: [
          { name: 'http', port: 80, targetPort: 'web', nodePort: 30080 },
          { port: 53, protocol: 'UDP' },
        ],
      },
      status: { loadBalancer: { ingress: [{ ip: '203.0.113.9' }, { hostname: 'lb.example' }] } },
    },
    {
      kind: 'service',
      ...named,
      addresses: ['10.0.0.1', 'fd00::1', '192.0.2.1', '203.0.113.9'],
      ports: ['tcp/80', 'udp/53'],
      spec: JSON.stringify({
        type: 'LoadBalancer',
        selector: { app: 'cart' },
        external: ['192.0.2.1', '203.0.113.9'],
        hostnames: ['lb.example'],
        ports: [
          { name: 'http', port: 80, protocol: 'TCP', targetPort: 'web', nodePort: 30080 },
          { port: 53, protocol: 'UDP' },
        ],
      }),
    },
  ],
  'a headless service has none': [
    'services',
    { metadata, spec: { clusterIP: 'None', clusterIPs: ['None'] } },
    { kind: 'service', ...named, addresses: [], ports: [], spec: '{"ports":[]}' },
  ],
  'a node has all its addresses, those of tunnels too, its zone and the ranges of its pods': [
    'nodes',
    {
      metadata: {
        name: 'n1',
        labels: { 'topology.kubernetes.io/zone': 'a' },
        annotations: { 'projectcalico.org/IPv4VXLANTunnelAddr': '10.244.1.0' },
      },
      spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'] },
      status: {
        addresses: [
          { type: 'InternalIP', address: '10.1.0.1' },
          { type: 'Hostname', address: 'n1' },
        ],
      },
    },
    {
      kind: 'node',
      namespace: '',
      name: 'n1',
      addresses: ['10.1.0.1', '10.244.1.0'],
      zone: 'a',
      labels: ['topology.kubernetes.io/zone=a'],
      spec: '{"podCIDRs":["10.244.1.0/24","fd00:1::/64"]}',
    },
  ],
  'how many replicas a Deployment has makes no difference': [
    'deployments.apps',
    { metadata, spec: { replicas: 3, selector: { matchLabels: { app: 'cart' } }, template } },
    {
      kind: 'workload',
      ...named,
      workload: 'cart',
      workload_kind: 'Deployment',
      service_account: 'cart',
      spec: JSON.stringify({
        selector: { matchLabels: { app: 'cart' } },
        labels: { app: 'cart' },
        images: [{ name: 'c', image: 'cart:1' }],
      }),
    },
  ],
  'a ReplicaSet of a Deployment is none of its own': [
    'replicasets.apps',
    { metadata: { ...metadata, ownerReferences: [{ kind: 'Deployment', name: 'cart', uid: 'd', controller: true }] } },
    undefined,
  ],
  'a policy is kept as it was written, without its status': [
    'ciliumnetworkpolicies.cilium.io',
    { metadata, specs: [{ endpointSelector: {} }], status: { conditions: [] } },
    {
      kind: 'network_policy',
      ...named,
      spec: '{"apiVersion":"cilium.io/v2","kind":"CiliumNetworkPolicy","specs":[{"endpointSelector":{}}]}',
    },
  ],
  'a waypoint is a gateway with the addresses it was given': [
    'gateways.gateway.networking.k8s.io',
    { metadata, spec: { gatewayClassName: 'istio-waypoint' }, status: { addresses: [{ value: '10.0.0.7' }, { value: 'a.example' }] } },
    {
      kind: 'gateway',
      ...named,
      addresses: ['10.0.0.7'],
      spec: '{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","spec":{"gatewayClassName":"istio-waypoint"}}',
    },
  ],
  'an identity of Cilium says what it stands for': [
    'ciliumidentities.cilium.io',
    { metadata: { name: '4711' }, 'security-labels': { 'k8s:app': 'cart', 'k8s:io.kubernetes.pod.namespace': 'shop' } },
    {
      kind: 'identity',
      namespace: 'shop',
      name: '4711',
      service_account: '',
      labels: ['k8s:app=cart', 'k8s:io.kubernetes.pod.namespace=shop'],
      spec: '{"apiVersion":"cilium.io/v2","kind":"CiliumIdentity"}',
    },
  ],
  'an endpoint of Cilium says which identity a pod has': [
    'ciliumendpoints.cilium.io',
    { metadata, status: { identity: { id: 4711 }, networking: { addressing: [{ ipv4: '10.244.0.1', ipv6: 'fd00::1' }] } } },
    {
      kind: 'endpoint',
      namespace: 'shop',
      name: 'cart',
      addresses: ['10.244.0.1', 'fd00::1'],
      spec: '{"apiVersion":"cilium.io/v2","kind":"CiliumEndpoint","identity":4711}',
    },
  ],
}

for (const [title, [resource, object, expected]] of Object.entries(cases))
  test(title, t => {
    t.deepEqual(factsOf(resource, object), expected)
  })

const stored = (name: string, calico?: object) => ({
  metadata: { name, annotations: calico && { 'projectcalico.org/metadata': JSON.stringify(calico) } },
})
const calico: Record<string, [version: string, object: object, name: string, labels: string[]]> = {
  'of its own API as it is': ['projectcalico.org/v3', { metadata: { name: 'default.x', labels: { a: '1' } } }, 'default.x', ['a=1']],
  'as it is stored, by what people wrote': [
    'crd.projectcalico.org/v1',
    stored('default.x', { name: 'x', labels: { a: '1' } }),
    'x',
    ['a=1'],
  ],
  'as it is stored in a tier': ['crd.projectcalico.org/v1', stored('ops.x', { name: 'ops.x' }), 'ops.x', []],
  'as it was stored before its name was kept': ['crd.projectcalico.org/v1', stored('default.x', { labels: { a: '1' } }), 'x', ['a=1']],
  'as somebody stored it by hand': ['crd.projectcalico.org/v1', stored('x.y'), 'x.y', []],
}

for (const [title, [version, object, name, labels]] of Object.entries(calico))
  test(`a policy of Calico has the name that people gave it: ${title}`, t => {
    t.like(factsOf('globalnetworkpolicies.projectcalico.org', object, version), { kind: 'network_policy', name, labels })
  })

test('every record leads back to what it was made of', t => {
  for (const { name, tells, facts, apiVersions, plural } of resources) {
    if (!tells) continue
    const made = facts ? facts({ apiVersion: apiVersions.at(-1), metadata }) : { kind: 'pod' as const }
    t.is(resourceOf(made as Facts)?.name, name, plural)
  }
})

test('a resource that is empty of all but its name is no reason to fail', t => {
  for (const { facts, name } of resources) t.notThrows(() => facts?.({ metadata: { name: 'x' } }), name)
  t.notThrows(() => describePod({}))
})

const podObject = {
  metadata: {
    ...metadata,
    name: 'cart-abc12-x',
    creationTimestamp: '2026-01-01T00:00:00Z',
    ownerReferences: [{ kind: 'ReplicaSet', name: 'cart-abc12', uid: 'rs', controller: true }],
    labels: { 'pod-template-hash': 'abc12' },
  },
  spec: {
    nodeName: 'n1',
    serviceAccountName: 'cart',
    containers: [{ ports: [{ containerPort: 8080 }, { containerPort: 53, protocol: 'UDP' }] }],
    initContainers: [{ ports: [{ containerPort: 15090 }] }],
  },
  status: {
    phase: 'Running',
    podIP: '10.244.0.1',
    podIPs: [{ ip: '10.244.0.1' }, { ip: 'fd00::1' }],
    startTime: '2026-01-01T00:00:02Z',
    containerStatuses: [{ state: { terminated: { finishedAt: '2026-01-01T00:01:00Z' } } }],
  },
}

test('a pod says where it is, on which ports it listens, and when its containers ended', t => {
  const pod = describePod(podObject)
  t.like(pod.facts, {
    addresses: ['10.244.0.1', 'fd00::1'],
    ports: ['tcp/8080', 'udp/53', 'tcp/15090'],
    node: 'n1',
    service_account: 'cart',
  })
  t.is(pod.started - pod.created, 2000)
  t.is(pod.finished - pod.created, 60_000)
  t.is(describePod({ ...podObject, status: { ...podObject.status, initContainerStatuses: [{ state: {} }] } }).finished, 0, 'a sidecar runs')
})

test('a pod belongs to what is at the top, and says so as soon as that is known', t => {
  const pods = new Pods()
  const pod = describePod(podObject)
  const owner = (told?: Facts) => {
    const { workload, workload_kind } = pods.factsOf(pod, told)
    return `${workload_kind} ${workload}`
  }
  pods.set(pod)
  t.is(owner(), 'Deployment cart', 'by the hash in its name')
  pods.setOwner('ReplicaSet', 'rs', { kind: 'Rollout', name: 'cart' })
  t.deepEqual(
    pods.touched().map(({ uid }) => uid),
    ['u'],
  )
  t.is(owner(), 'Rollout cart')
  pods.deleteOwner('ReplicaSet', 'rs')
  t.is(owner({ workload: 'cart', workload_kind: 'Rollout' }), 'Rollout cart', 'what makes pods may be gone before them')
  const bare = describePod({ metadata: { name: 'debug' } })
  t.like(pods.factsOf(bare, undefined), { workload: 'debug', workload_kind: 'Pod' })
  const fixed = describePod({ metadata: { name: 'etcd-n1', ownerReferences: [{ kind: 'Node', name: 'n1', uid: 'n', controller: true }] } })
  t.like(pods.factsOf(fixed, undefined), { workload: 'etcd', workload_kind: 'Pod' })
})

test('a pod is in the zone of its node, and has its addresses on the host network', t => {
  const pods = new Pods()
  const pod = describePod({ ...podObject, spec: { ...podObject.spec, hostNetwork: true } })
  pods.set(pod)
  pods.setNode('n1', { zone: 'a', addresses: ['10.1.0.1', '192.0.2.1'] })
  t.like(pods.factsOf(pod, undefined), { zone: 'a', addresses: ['10.244.0.1', 'fd00::1', '10.1.0.1', '192.0.2.1'] })
  t.is(pods.touched().length, 1)
  pods.setNode('n1', { zone: 'a', addresses: ['10.1.0.1', '192.0.2.1'] })
  t.is(pods.touched().length, 0, 'a heartbeat of the node')
})

test('the services of a pod are those in whose slices it is, however these are divided', t => {
  const pods = new Pods()
  const slice = (uid: string, service: string, ...of: string[]) => pods.services.set({ uid, service, pods: of })
  const services = () => pods.services.of('u')
  slice('1', 'shop/cart', 'u', 'v')
  slice('2', 'shop/cart', 'u')
  slice('3', 'shop/all', 'u')
  t.deepEqual(services(), ['shop/all', 'shop/cart'])
  slice('1', 'shop/cart', 'v')
  t.deepEqual(services(), ['shop/all', 'shop/cart'])
  pods.services.delete('2')
  t.deepEqual(services(), ['shop/all'])
  slice('3', 'shop/other', 'u')
  t.deepEqual(services(), ['shop/other'])
  pods.services.retain(new Set(['1']))
  t.deepEqual(services(), [])
})

test('our clock is as far before the server as all its answers together allow, and right where it may be', t => {
  const clock = new ClockOffset()
  clock.add(10_000, 10_300, 10_320)
  t.is(clock.ms, 0)
  const fast = new ClockOffset()
  for (let at = 0; at < 100; at++) {
    const server = 10_000 + at * 1037
    fast.add(Math.floor(server / 1000) * 1000, server + 5000 - 10, server + 5000 + 10)
  }
  t.true(Math.abs(fast.ms - 5000) < 30, String(fast.ms))
  fast.add(1_000_000, 1_000_100, 1_000_120)
  t.is(fast.ms, 0, 'a clock that was set is believed')
})

const wrong: Record<string, [options: object, message: RegExp]> = {
  'one name twice': [{ clusters: [{ name: 'a' }, { name: 'a' }] }, /collect\.kubernetes\.clusters\.1\.name: expected a name that no other/],
  'a kubeconfig beside clusters': [
    { clusters: [{ name: 'a' }], kubeconfig: '/k' },
    /collect\.kubernetes\.kubeconfig: expected nothing beside/,
  ],
  'a file that is not there': [{ kubeconfig: '/nowhere' }, /collect\.kubernetes\.kubeconfig: expected a kubeconfig file, got "\/nowhere"/],
}

for (const [what, [options, message]] of Object.entries(wrong))
  test(`${what} is said with its key, its value and what was expected`, async t => {
    const context = { status: () => {} } as unknown as Parameters<typeof kubernetes.run>[1]
    await t.throwsAsync(async () => kubernetes.run(options, context), { instanceOf: ConfigError, message })
  })

test('without a list there is one cluster, of the name that its agents give it', t => {
  t.deepEqual(clustersOf({ cluster: 'prod', kubeconfig: '/k' }), [
    { name: 'prod', kubeconfig: '/k', context: undefined, setting: 'collect.kubernetes' },
  ])
})
