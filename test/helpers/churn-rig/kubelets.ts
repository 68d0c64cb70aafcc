import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../../collectors/demo/random.ts'

/** Asks the API server; tries again until it answers, as everything in a cluster does. */
export interface Api {
  call(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<Answer>
}

type Answer = { metadata: { uid: string } }

/** When an address really was a pod's: from its sandbox to the end of its last process. Milliseconds. */
export interface Use {
  address: string
  node: string
  namespace: string
  pod: string
  workload: string
  from: number
  /** Infinity while it goes on. */
  to: number
  /** When another pod may have the address. */
  freed: number
}

export interface Owner {
  namespace: string
  name: string
  kind: 'ReplicaSet' | 'Job'
  /** What people call it: the Deployment of a ReplicaSet. */
  workload: string
  uid: string
}

interface Node {
  name: string
  address: string
  podCIDR: string
  /** The last one is given away first. */
  free: string[]
}

const namespaces = ['shop', 'batch', 'search']

/**
 * Nodes whose kubelets start and end pods as real ones do, against a real API server: the address is there before the API says so and gone
 * before the pod is deleted, and the next pod of the node gets the address that was freed last.
 */
export class Kubelets {
  readonly uses: Use[] = []
  readonly nodes: Node[]
  readonly #api: Api
  readonly #random: Random
  readonly #owners: Owner[] = []
  #pods = 0

  constructor(api: Api, random: Random, nodes: number) {
    this.#api = api
    this.#random = random
    this.nodes = Array.from({ length: nodes }, (_, i) => ({
      name: `node-${i}`,
      address: `192.168.7.${10 + i}`,
      podCIDR: `10.55.${i}.0/24`,
      free: Array.from({ length: 12 }, (_, j) => `10.55.${i}.${j + 2}`),
    }))
  }

  /** Uses at this moment. */
  alive(now: number): Use[] {
    return this.uses.filter(({ from, to }) => from <= now && now < to)
  }

  async open(): Promise<void> {
    for (const { name, address, podCIDR } of this.nodes) {
      await this.#api.call('POST', '/api/v1/nodes', {
        metadata: { name, labels: { 'topology.kubernetes.io/zone': 'z1' } },
        spec: { podCIDR, podCIDRs: [podCIDR] },
      })
      await this.#patch(`/api/v1/nodes/${name}/status`, {
        status: { addresses: [{ type: 'InternalIP', address }], conditions: [{ type: 'Ready', status: 'True' }] },
      })
    }
    for (const name of namespaces) await this.#api.call('POST', '/api/v1/namespaces', { metadata: { name } })
    for (const namespace of namespaces)
      for (const name of ['web', 'cart', 'pay'])
        this.#owners.push(await this.#openDeployment(namespace, name), await this.#openJob(namespace, `${name}-job`))
  }

  /** Keeps about eight pods on each node until the signal is aborted; those that live then go on. */
  async run(signal: AbortSignal): Promise<void> {
    const slots = this.nodes.flatMap(node => Array.from({ length: 8 }, () => node))
    await Promise.all(
      slots.map(async node => {
        await sleep(this.#random.below(3000))
        while (!signal.aborted) await this.#live(node, signal)
      }),
    )
  }

  async #live(node: Node, signal: AbortSignal): Promise<void> {
    const owner = this.#random.pick(this.#owners)
    const name = `${owner.name}-${(this.#pods++).toString(36)}`
    const path = `/api/v1/namespaces/${owner.namespace}/pods/${name}`
    await this.#api.call('POST', `/api/v1/namespaces/${owner.namespace}/pods`, podOf(owner, name, node.name))
    await this.#patch(`${path}/status`, { status: { phase: 'Pending', startTime: seconds(Date.now()) } })
    const use = this.#begin(node, owner, name)
    await sleep(this.#random.between(20, 400))
    await this.#patch(`${path}/status`, { status: running(node.address, use) })
    const life = owner.kind === 'Job' ? 2000 : this.#random.between(3000, 25_000)
    await sleep(life, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    if (owner.kind === 'Job') await this.#finish(path, use)
    else await this.#delete(path, use)
    await this.#release(node, use)
    await this.#api.call('DELETE', path, { gracePeriodSeconds: 0 })
  }

  #begin(node: Node, owner: Owner, pod: string): Use {
    const address = node.free.pop()!
    const { namespace, workload } = owner
    const use = { address, node: node.name, namespace, pod, workload, from: Date.now(), to: Infinity, freed: Infinity }
    this.uses.push(use)
    return use
  }

  /** Its process ends by itself, and the kubelet says so. */
  async #finish(path: string, use: Use): Promise<void> {
    use.to = Date.now()
    await sleep(this.#random.between(10, 300))
    await this.#patch(`${path}/status`, { status: { phase: 'Succeeded', containerStatuses: [terminated(use.to)] } })
  }

  /** Somebody deletes it; its process goes on for a moment. */
  async #delete(path: string, use: Use): Promise<void> {
    await this.#api.call('DELETE', path, { gracePeriodSeconds: 5 })
    await sleep(this.#random.between(20, 600))
    use.to = Date.now()
    if (this.#random.chance(0.5)) await this.#patch(`${path}/status`, { status: { containerStatuses: [terminated(use.to)] } })
  }

  async #release(node: Node, use: Use): Promise<void> {
    await sleep(this.#random.between(5, 200))
    use.freed = Date.now()
    node.free.push(use.address)
  }

  async #openDeployment(namespace: string, name: string): Promise<Owner> {
    const selector = { matchLabels: { app: name } }
    const template = { metadata: { labels: { app: name } }, spec: { containers: [container] } }
    const deployment = await this.#api.call('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, {
      metadata: { name },
      spec: { replicas: 3, selector, template },
    })
    const replicaSet = await this.#api.call('POST', `/apis/apps/v1/namespaces/${namespace}/replicasets`, {
      metadata: { name: `${name}-5d8f7`, ownerReferences: [ownerOf('apps/v1', 'Deployment', name, deployment)] },
      spec: { replicas: 3, selector, template },
    })
    return { namespace, name: `${name}-5d8f7`, kind: 'ReplicaSet', workload: name, uid: replicaSet.metadata.uid }
  }

  async #openJob(namespace: string, name: string): Promise<Owner> {
    const job = await this.#api.call('POST', `/apis/batch/v1/namespaces/${namespace}/jobs`, {
      metadata: { name },
      spec: { suspend: true, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
    })
    return { namespace, name, kind: 'Job', workload: name, uid: job.metadata.uid }
  }

  #patch(path: string, body: object): Promise<Answer> {
    return this.#api.call('PATCH', path, body)
  }
}

const container = { name: 'main', image: 'example.org/main:1', ports: [{ containerPort: 8080 }] }
const seconds = (time: number) => new Date(Math.floor(time / 1000) * 1000).toISOString().replace('.000', '')

const ownerOf = (apiVersion: string, kind: string, name: string, { metadata: { uid } }: Answer) => ({
  apiVersion,
  kind,
  name,
  uid,
  controller: true,
})

function podOf({ namespace, name: owner, kind, uid }: Owner, name: string, nodeName: string): object {
  const apiVersion = kind === 'Job' ? 'batch/v1' : 'apps/v1'
  return {
    metadata: { name, namespace, labels: { app: owner }, ownerReferences: [ownerOf(apiVersion, kind, owner, { metadata: { uid } })] },
    spec: { nodeName, restartPolicy: kind === 'Job' ? 'Never' : 'Always', containers: [container] },
  }
}

const running = (hostIP: string, { address, from }: Use) => ({
  phase: 'Running',
  hostIP,
  podIP: address,
  podIPs: [{ ip: address }],
  startTime: seconds(from),
  containerStatuses: [
    { name: 'main', image: container.image, imageID: '', ready: true, restartCount: 0, state: { running: { startedAt: seconds(from) } } },
  ],
})

const terminated = (time: number) => ({
  name: 'main',
  image: container.image,
  imageID: '',
  ready: false,
  restartCount: 0,
  state: { terminated: { exitCode: 0, reason: 'Completed', finishedAt: seconds(time), startedAt: seconds(time) } },
})
