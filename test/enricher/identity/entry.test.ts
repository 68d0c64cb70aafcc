import test from 'ava'
import fc from 'fast-check'
import { entryOf, fits, mayBeOn, rarest } from '../../../enricher/identity/entry.ts'
import { podOf, selectorsOf } from '../../../enricher/identity/pod.ts'
import type { ObjectVersion } from '../../../schema/object.ts'

const pod = podOf({
  kind: 'pod',
  cluster: 'east',
  namespace: 'shop',
  name: 'cart-1',
  uid: 'u-1',
  node: 'node-1',
  workload: 'cart',
  workload_kind: 'StatefulSet',
  service_account: 'cart',
  labels: ['app=cart', 'app.kubernetes.io/name=cart', 'empty='],
})

const entry = (...labels: string[]) => entryOf({ kind: 'identity', uid: 'e', spiffe_id: 'spiffe://example.org/x', labels })

const cases: Record<string, [selectors: string[], fit: ReturnType<typeof fits>]> = {
  'namespace and service account': [['k8s:ns:shop', 'k8s:sa:cart'], 'yes'],
  'all selectors must match': [['k8s:ns:shop', 'k8s:sa:payment'], 'no'],
  'another namespace': [['k8s:ns:shopping'], 'no'],
  'the UID of the pod': [['k8s:pod-uid:u-1'], 'yes'],
  'the UID of another pod of the name': [['k8s:pod-uid:u-2', 'k8s:pod-name:cart-1'], 'no'],
  'a label': [['k8s:ns:shop', 'k8s:pod-label:app:cart'], 'yes'],
  'a label whose key has dots and a slash': [['k8s:pod-label:app.kubernetes.io/name:cart'], 'yes'],
  'a label that is empty': [['k8s:pod-label:empty:'], 'yes'],
  'a label of another value': [['k8s:pod-label:app:basket'], 'no'],
  'the node': [['k8s:node-name:node-1'], 'yes'],
  'the owner, where it is the one that is known': [['k8s:ns:shop', 'k8s:pod-owner:StatefulSet:cart'], 'yes'],
  'an owner between the pod and its workload is not known': [['k8s:ns:shop', 'k8s:pod-owner:ReplicaSet:cart-5d9'], 'perhaps'],
  'the container is not known': [['k8s:ns:shop', 'k8s:container-name:cart'], 'perhaps'],
  'nor the image': [['k8s:ns:shop', 'k8s:container-image:docker.io/shop/cart:1'], 'perhaps'],
  'what does not match is no, whatever else is not known': [['k8s:ns:other', 'k8s:container-name:cart'], 'no'],
  'another attestor has its say, too': [['k8s:ns:shop', 'unix:uid:1000'], 'perhaps'],
  'an entry of another attestor is for no pod': [['unix:uid:1000'], 'no'],
  'an entry without selectors is for nobody': [[], 'no'],
}

for (const [title, [selectors, expected]] of Object.entries(cases))
  test(`selectors: ${title}`, t => t.is(fits(entry(...selectors), selectorsOf(pod)), expected))

test('selectors: a pod without a service account runs as default', t => {
  const { serviceAccount } = podOf({ kind: 'pod', namespace: 'shop', name: 'x', uid: 'x' })
  t.is(serviceAccount, 'default')
})

const node = { name: 'node-1', uid: 'n-1', labels: new Map([['pool', 'gold']]) }
const alias = (...labels: string[]) => entryOf({ kind: 'identity', spiffe_id: 'spiffe://example.org/nodes', labels, spec: '{"node":true}' })

const parents: Record<string, [parent: string, aliases: ReturnType<typeof alias>[], expected: boolean]> = {
  'the agent on the node of the pod': ['spiffe://example.org/spire/agent/k8s_psat/east/n-1', [], true],
  'the agent on another node': ['spiffe://example.org/spire/agent/k8s_psat/east/n-2', [], false],
  'an agent that does not say where it is': ['spiffe://example.org/spire/agent/join_token/1234', [], true],
  'a name for all nodes of a cluster': ['spiffe://example.org/nodes', [alias('k8s_psat:cluster:east')], true],
  'a name for nodes with a label': ['spiffe://example.org/nodes', [alias('k8s_psat:agent_node_label:pool:gold')], true],
  'a name for other nodes': ['spiffe://example.org/nodes', [alias('k8s_psat:cluster:east', 'k8s_psat:agent_node_label:pool:iron')], false],
  'a name for one node': [
    'spiffe://example.org/nodes',
    [alias('k8s_psat:agent_node_uid:n-2'), alias('k8s_psat:agent_node_name:node-1')],
    true,
  ],
}

for (const [title, [parent, aliases, expected]] of Object.entries(parents))
  test(`parents: ${title}`, t => t.is(mayBeOn(parent, node, aliases), expected))

test('parents: where the node is not known, an entry may be for it', t => {
  t.true(mayBeOn('spiffe://example.org/spire/agent/k8s_psat/east/n-2', undefined, []))
})

test('an entry that fits a pod is found by the selector it is kept under', t => {
  const own = [...selectorsOf(pod)]
  const some = fc.subarray([...own, 'container-name:x', 'container-image:y'], { minLength: 1 })
  fc.assert(
    fc.property(some, selectors => {
      const version: ObjectVersion = { kind: 'identity', spiffe_id: 'spiffe://a/b', labels: selectors.map(text => `k8s:${text}`) }
      t.not(fits(entryOf(version), new Set(own)), 'no')
      t.true([...own, ''].includes(rarest(selectors)))
    }),
  )
})

test('Cilium’s entries stand for its numeric identities', t => {
  const of = (spiffe_id: string, ...labels: string[]) => entryOf({ kind: 'identity', spiffe_id, labels }).number
  t.is(of('spiffe://spiffe.cilium/identity/4711', 'cilium:mutual-auth'), 4711)
  t.is(of('spiffe://spiffe.cilium/identity/4711', 'k8s:ns:shop'), undefined)
  t.is(of('spiffe://spiffe.cilium/cilium-agent', 'cilium:mutual-auth'), undefined)
})
