import test from 'ava'
import { kubernetes } from '../../../collectors/kubernetes/source.ts'
import { openObjectLog } from '../../../collectors/objects.ts'
import { openPublisher } from '../../../collectors/publisher.ts'
import type { SourceStatus } from '../../../collectors/source.ts'
import { component } from '../../../runtime/telemetry.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { quietLog } from '../../helpers/clickhouse.ts'
import { until } from '../../helpers/wait.ts'
import { Told } from './collecting.ts'
import { openFakeApi, sendEvents, sendJson } from './fake-api.ts'

const builtIn = ['/api/v1/', '/apis/apps/', '/apis/batch/', '/apis/discovery.k8s.io/', '/apis/networking.k8s.io/']

/** A cluster with one pod; of namespaces it lets nobody know. */
const openCluster = (address: string) =>
  openFakeApi(({ path, query }, response) => {
    if (!builtIn.some(start => path.startsWith(start))) return sendJson(response, { message: 'not found' }, 404)
    if (path.endsWith('/namespaces')) return sendJson(response, { message: 'namespaces is forbidden' }, 403)
    if (query.has('watch')) return sendEvents(response)
    const metadata = { name: 'cart', namespace: 'shop', uid: `pod-${address}`, creationTimestamp: new Date().toISOString() }
    const pod = { metadata, spec: { nodeName: 'n1' }, status: { phase: 'Running', podIPs: [{ ip: address }] } }
    return sendJson(response, { metadata: { resourceVersion: '1' }, items: path.endsWith('/pods') ? [pod] : [] })
  })

test('several clusters are followed at once, each under its name and with a heartbeat of its own', async t => {
  await using east = await openCluster('10.0.0.1')
  await using west = await openCluster('10.0.0.2')
  await using bus = await openTestBus()
  await using told = new Told(bus.bus)
  const stop = new AbortController()
  const { signal } = stop
  const instruments = component('source', 'test')
  const common = { bus: bus.bus, collector: 'test', log: quietLog, signal }
  await using outbox = openPublisher({ ...common, instruments })
  let status: SourceStatus | undefined
  const clusters = [
    { name: 'east', kubeconfig: east.kubeconfig },
    { name: 'west', kubeconfig: west.kubeconfig, context: 'fake' },
  ]
  const running = kubernetes
    .run({ clusters }, { outbox, objects: openObjectLog(common), signal, log: quietLog, instruments, status: one => (status = one) })
    .catch(() => {})
  await until('heartbeats', () => told.of('cluster').length === 2)
  t.deepEqual(
    told
      .of('cluster')
      .map(({ name }) => name)
      .sort(),
    ['east', 'west'],
  )
  const pods = told.open('pod').map(({ cluster, addresses }) => [cluster, addresses])
  t.deepEqual(pods.sort(), [
    ['east', ['10.0.0.1']],
    ['west', ['10.0.0.2']],
  ])
  t.like(status, { ready: true, detail: { clusters: [{ cluster: 'east', connected: true, not_followed: [{ resource: 'namespaces' }] }] } })
  stop.abort()
  await running
})
