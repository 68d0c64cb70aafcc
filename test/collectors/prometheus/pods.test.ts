import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { V1Pod } from '@kubernetes/client-node'
import test from 'ava'
import { type PodRules, targetsOfPod } from '../../../collectors/prometheus/pod-targets.ts'
import { prometheusSource } from '../../../collectors/prometheus/source.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { start } from '../hubble/running.ts'
import { collectPoints, serve } from './running.ts'

const rules: PodRules = { annotations: true, istio: true, linkerd: true, intervalMs: 15_000 }

const pod = (
  { name = 'web-1', ip = '10.0.0.7', ...more }: { name?: string; ip?: string } & Partial<V1Pod['metadata']> = {},
  containers = ['app'],
): V1Pod => ({
  metadata: { name, namespace: 'shop', ...more },
  spec: { containers: containers.map(name => ({ name, ports: [{ containerPort: 8080 }] })) },
  status: { phase: 'Running', podIP: ip },
})

const annotations = (more: Record<string, string> = {}) => ({ annotations: { 'prometheus.io/scrape': 'true', ...more } })

const cases: Record<string, [V1Pod, string[]]> = {
  'nothing that says so': [pod(), []],
  'an annotation, and the port of a container': [pod(annotations()), ['http://10.0.0.7:8080/metrics']],
  annotations: [
    pod(annotations({ 'prometheus.io/port': '9102', 'prometheus.io/path': 'm', 'prometheus.io/scheme': 'https' })),
    ['https://10.0.0.7:9102/m'],
  ],
  'scraping annotated away': [pod({ annotations: { 'prometheus.io/scrape': 'false', 'prometheus.io/port': '1' } }), []],
  'a port that would be another host': [pod(annotations({ 'prometheus.io/port': '80@192.0.2.1' })), []],
  'a path that would be another host': [pod(annotations({ 'prometheus.io/path': '@192.0.2.1/' })), ['http://10.0.0.7:8080/@192.0.2.1/']],
  'a port that is none': [pod(annotations({ 'prometheus.io/port': 'http' })), []],
  'a sidecar of Istio, which annotates the same': [
    pod(annotations({ 'prometheus.io/port': '15020', 'prometheus.io/path': '/stats/prometheus' }), ['app', 'istio-proxy']),
    ['http://10.0.0.7:15020/stats/prometheus'],
  ],
  'a ztunnel': [pod({ labels: { app: 'ztunnel' } }), ['http://10.0.0.7:15020/stats/prometheus']],
  'a proxy of Linkerd': [pod({}, ['linkerd-proxy', 'app']), ['http://10.0.0.7:4191/metrics']],
  'a sidecar that is an init container': [
    { ...pod(), spec: { containers: [], initContainers: [{ name: 'istio-proxy' }] } },
    ['http://10.0.0.7:15020/stats/prometheus'],
  ],
  IPv6: [pod({ ip: 'fd00::7', ...annotations() }), ['http://[fd00::7]:8080/metrics']],
  'a pod that is ending': [pod({ deletionTimestamp: new Date(), ...annotations() }), []],
  'a pod that has ended': [{ ...pod(annotations()), status: { phase: 'Succeeded', podIP: '10.0.0.7' } }, []],
}

for (const [title, [pod, urls]] of Object.entries(cases))
  test(`targets of a pod: ${title}`, t => {
    t.deepEqual(
      targetsOfPod(pod, rules).map(({ url }) => url),
      urls,
    )
  })

test('series of a pod say which', t => {
  const [{ labels }] = targetsOfPod(pod({}, ['istio-proxy']), rules)
  t.deepEqual(Object.fromEntries(labels), { instance: '10.0.0.7:15020', job: 'istio-proxy', namespace: 'shop', pod: 'web-1' })
})

test('pods are scraped as they come, through a relist, and no more once they have gone', async t => {
  const scraped: string[] = []
  await using metrics = await serve((request, response) => {
    scraped.push(request.url!)
    response.end('a 1\n')
  })
  const port = metrics.address.split(':')[1]
  const annotated = (name: string) =>
    pod({ name, ip: '127.0.0.1', resourceVersion: '5', ...annotations({ 'prometheus.io/port': port, 'prometheus.io/path': `/${name}` }) })
  let watch: ServerResponse | undefined
  let pods = [annotated('first')]
  const queries: URLSearchParams[] = []
  await using api = await serve((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://x')
    response.setHeader('content-type', 'application/json')
    if (pathname !== '/api/v1/namespaces/shop/pods') return void response.writeHead(404).end()
    queries.push(searchParams)
    if (!searchParams.has('watch'))
      return void response.end(JSON.stringify({ kind: 'PodList', metadata: { resourceVersion: '4' }, items: pods }))
    watch = response
    response.flushHeaders()
  })
  const directory = await mkdtemp(join(tmpdir(), 'weir-kubeconfig-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const kubeconfig = join(directory, 'config')
  const config = {
    clusters: [{ name: 'c', cluster: { server: `http://${api.address}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  }
  await writeFile(kubeconfig, JSON.stringify(config))

  await using bus = await openTestBus()
  const { taken, openTaker } = collectPoints()
  const kubernetes = { kubeconfig, namespace: 'shop', label_selector: 'a=b', node: 'n1' }
  await using running = start(prometheusSource(openTaker), { kubernetes, interval: 0.05 }, bus.bus)
  await until('the first pod', () => taken.length)
  t.is(taken[0].target.reporter, 'shop/first')
  const told = (type: string, object: object) => watch!.write(JSON.stringify({ type, object }) + '\n')
  await until('a watch', () => watch)
  told('ADDED', annotated('second'))
  await until('the second pod', () => scraped.includes('/second'))
  told('DELETED', annotated('first'))
  await until('the first pod to be given up', async () => {
    const before = scraped.filter(path => path === '/first').length
    await new Promise(resolve => setTimeout(resolve, 250))
    return scraped.filter(path => path === '/first').length === before
  })
  pods = [annotated('third')]
  told('ERROR', { code: 410 })
  watch!.end()
  await until('the third pod', () => scraped.includes('/third'))
  t.is(queries[0].get('labelSelector'), 'a=b')
  t.is(queries[1].get('fieldSelector'), 'spec.nodeName=n1')
  t.is(queries[1].get('resourceVersion'), '4')
  t.deepEqual(
    running.log.filter(line => line.includes('"warn"')),
    [],
  )
})

test('an API that is away is told once, and asked again', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-kubeconfig-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const kubeconfig = join(directory, 'config')
  await writeFile(
    kubeconfig,
    'clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\ncurrent-context: x\n',
  )
  await using bus = await openTestBus()
  await using running = start(prometheusSource(collectPoints().openTaker), { kubernetes: { kubeconfig } }, bus.bus)
  const { ready, reason } = await until('a reason', () => running.statuses.find(({ reason }) => reason))
  t.false(ready)
  t.regex(reason!, /cannot find targets by Kubernetes/)
  t.is(running.log.filter(line => line.includes('"warn"')).length, 1)
})
