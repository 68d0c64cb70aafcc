import type { KubernetesObject, TestCluster } from '../../helpers/kubernetes.ts'

export const nodeCount = 5
const apps = ['frontend', 'cart', 'checkout', 'payments', 'catalog']

/** Does something with each, so many at a time. */
export async function each<T>(items: readonly T[], act: (item: T, at: number) => Promise<unknown>, atOnce = 16): Promise<void> {
  let next = 0
  const work = async () => {
    while (next < items.length) {
      const at = next++
      await act(items[at], at)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

const owner = ({ apiVersion, kind, metadata: { name, uid } }: KubernetesObject) => [{ apiVersion, kind, name, uid, controller: true }]

export interface Group {
  namespace: string
  app: string
  replicaSet: KubernetesObject
}

/** Nodes, namespaces, and in each of them five Deployments with a ReplicaSet, a Service and a policy. */
export async function seedGroups(cluster: TestCluster, namespaces: number): Promise<Group[]> {
  await each([...Array(nodeCount).keys()], async at => {
    const labels = { 'kubernetes.io/hostname': `node-${at}`, 'topology.kubernetes.io/zone': `zone-${at % 2}` }
    const node = { metadata: { name: `node-${at}`, labels }, spec: { podCIDR: `10.244.${at}.0/24` } }
    await cluster.create('/api/v1/nodes', node)
    const status = { addresses: [{ type: 'InternalIP', address: `10.1.0.${10 + at}` }] }
    await cluster.patch(`/api/v1/nodes/node-${at}/status`, { status })
  })
  const groups: Group[] = []
  await each([...Array(namespaces).keys()], async at => {
    const namespace = `team-${at}`
    await cluster.create('/api/v1/namespaces', { metadata: { name: namespace } })
    for (const app of apps) groups.push(await seedGroup(cluster, namespace, app))
  })
  return groups
}

async function seedGroup(cluster: TestCluster, namespace: string, app: string): Promise<Group> {
  const template = { metadata: { labels: { app } }, spec: { serviceAccountName: app, containers: [{ name: app, image: 'example/app:1' }] } }
  const spec = { replicas: 1, selector: { matchLabels: { app } }, template }
  const at = (group: string, plural: string) => `/apis/${group}/namespaces/${namespace}/${plural}`
  const deployment = await cluster.create(at('apps/v1', 'deployments'), { metadata: { name: app, labels: { app } }, spec })
  const labels = { app, 'pod-template-hash': 'abc12' }
  const replicaSet = await cluster.create(at('apps/v1', 'replicasets'), {
    metadata: { name: `${app}-abc12`, labels, ownerReferences: owner({ ...deployment, apiVersion: 'apps/v1', kind: 'Deployment' }) },
    spec: { ...spec, selector: { matchLabels: labels }, template: { ...template, metadata: { labels } } },
  })
  const service = { metadata: { name: app }, spec: { selector: { app }, ports: [{ port: 80, targetPort: 8080 }] } }
  await cluster.create(`/api/v1/namespaces/${namespace}/services`, service)
  const policy = { metadata: { name: app }, spec: { podSelector: { matchLabels: { app } }, policyTypes: ['Ingress'] } }
  await cluster.create(at('networking.k8s.io/v1', 'networkpolicies'), policy)
  return { namespace, app, replicaSet: { ...replicaSet, apiVersion: 'apps/v1', kind: 'ReplicaSet' } }
}

/** A pod that runs at once: there is no kubelet that would have to start it. */
export async function startPod(cluster: TestCluster, { namespace, app, replicaSet }: Group, name: string, number: number, address: string) {
  const metadata = { name, labels: { app, 'pod-template-hash': 'abc12' }, ownerReferences: owner(replicaSet) }
  const containers = [{ name: app, image: 'example/app:1', ports: [{ containerPort: 8080 }] }]
  const spec = { serviceAccountName: app, nodeName: `node-${number % nodeCount}`, containers }
  await cluster.create(`/api/v1/namespaces/${namespace}/pods`, { metadata, spec })
  const status = { phase: 'Running', podIP: address, podIPs: [{ ip: address }], startTime: new Date().toISOString() }
  return cluster.patch(`${podPath(namespace, name)}/status`, { status })
}

export const podPath = (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/pods/${name}`

/** An endpoint slice as its controller would write it. */
export function putSlice(cluster: TestCluster, { namespace, app }: Group, pods: readonly KubernetesObject[]) {
  const endpoints = pods.map(({ metadata: { name, uid }, status }) => ({
    addresses: [(status as { podIP: string }).podIP],
    targetRef: { kind: 'Pod', namespace, name, uid },
  }))
  const metadata = { name: `${app}-1`, labels: { 'kubernetes.io/service-name': app } }
  const slice = { metadata, addressType: 'IPv4', ports: [{ port: 8080 }], endpoints }
  return cluster.create(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, slice)
}
