import test from 'ava'
import { endOf } from '../../../collectors/goldmane/ends.ts'
import { FlowReader } from '../../../collectors/goldmane/message.ts'
import { countsOf, rowsOf } from '../../../collectors/goldmane/rows.ts'
import { BlockBuilder } from '../../../runtime/block/builder.ts'
import { kinds } from '../../../schema/record.ts'
import { type Plain, defaultDeny, encodeResult, flow } from './flows.ts'

const reader = new FlowReader()

function rows(plain: Plain): Record<string, unknown>[] {
  const bytes = encodeResult(plain)
  const read = reader.readResult(bytes, 0, bytes.length)!
  const made = rowsOf(read, countsOf(read), { source: 'goldmane', reporter: 'goldmane', cluster: 'home', received: 5 })
  const builder = new BlockBuilder(kinds.flow, 8)
  for (const row of made) builder.add(row)
  return made
}

test('what came in at the destination is one row, what went out from it is another, the other way round', t => {
  const [forward, reply, ...more] = rows(flow(1_700_000_010))
  t.deepEqual(more, [])
  t.like(forward, {
    time: 1_700_000_010e6,
    source: 'goldmane',
    reporter_kind: 'node',
    cluster: 'home',
    layer: 'kernel',
    direction: 'ingress',
    is_reply: 'no',
    protocol: 'tcp',
    verdict: 'forwarded',
    bytes: 1000,
    packets: 10,
    connections: 2,
    duration: 15e9,
    src_namespace: 'shop',
    src_workload: 'web',
    src_workload_kind: 'Deployment',
    dst_namespace: 'shop',
    dst_workload: 'cart',
    dst_workload_kind: 'StatefulSet',
    dst_service: 'shop/cart',
    dst_port: 7070,
    policy_kind: 'CalicoNetworkPolicy',
    policy_namespace: 'shop',
    policy_name: 'allow-cart',
    policy_source: 'dataplane',
    allowed_by: 'CalicoNetworkPolicy/shop/allow-cart',
  })
  t.like(reply, {
    is_reply: 'yes',
    direction: 'ingress',
    bytes: 800,
    packets: 8,
    src_workload: 'cart',
    src_port: 7070,
    src_service: 'shop/cart',
    dst_workload: 'web',
  })
  t.is(reply.connections, undefined)
})

test('at the source the same conversation reads the other way round', t => {
  const [forward, reply] = rows(flow(0, { reporter: 'Src' }, { packets_in: 8, packets_out: 10, bytes_in: 800, bytes_out: 1000 }))
  t.like(forward, { direction: 'egress', src_workload: 'web', bytes: 1000, packets: 10 })
  t.like(reply, { direction: 'egress', src_workload: 'cart', bytes: 800, packets: 8 })
})

test('what has no time has the one it came at', t => t.is(rows(flow(0))[0].time, 5))

test('a row without an answer has no row of answers', t => {
  t.is(rows(flow(0, {}, { packets_out: 0, bytes_out: 0 })).length, 1)
})

const staged = { kind: 'StagedNetworkPolicy', namespace: 'shop', name: 'lock-down', tier: 'default' }
const allowed = { kind: 'GlobalNetworkPolicy', name: 'allow-all', tier: 'security', action: 'Allow' }

const decisions: Record<string, [key: Plain, row: Plain]> = {
  'a default deny names the policy that selected the traffic': [
    defaultDeny,
    {
      verdict: 'dropped',
      event: 'policy_verdict',
      drop_reason: 'policy_denied',
      policy_kind: 'NetworkPolicy',
      policy_namespace: 'shop',
      policy_name: 'only-checkout',
      policy_match: 'end_of_tier',
      denied_by: 'NetworkPolicy/shop/only-checkout',
      allowed_by: '',
      connections: 0,
      dropped_packets: 10,
      dropped_bytes: 1000,
    },
  ],
  'a default deny that nobody triggered has the name of the tier': [
    { action: 'Deny', policies: { enforced_policies: [{ kind: 'EndOfTier', tier: 'security', action: 'Deny', rule_index: -1 }] } },
    { policy_kind: 'EndOfTier', policy_name: 'security', policy_match: 'end_of_tier' },
  ],
  'an explicit deny names its policy': [
    {
      action: 'Deny',
      policies: {
        enforced_policies: [
          { ...allowed, action: 'Pass' },
          { ...allowed, name: 'deny-web', action: 'Deny', rule_index: 3 },
        ],
      },
    },
    { verdict: 'dropped', policy_kind: 'GlobalNetworkPolicy', policy_name: 'deny-web', policy_match: '', drop_reason: 'policy_denied' },
  ],
  'a denial of which no denying policy is told has the name of none that passed it on': [
    { action: 'Deny', policies: { enforced_policies: [allowed, { ...allowed, name: 'tenants', action: 'Pass' }] } },
    {
      verdict: 'dropped',
      drop_reason: 'policy_denied',
      policy_kind: '',
      policy_name: '',
      policy_source: '',
      denied_by: '',
      allowed_by: 'GlobalNetworkPolicy//allow-all',
    },
  ],
  'the profile of a namespace that allows is named': [
    { policies: { enforced_policies: [{ kind: 'Profile', name: 'kns.shop', action: 'Allow', rule_index: 0 }] } },
    { verdict: 'forwarded', policy_kind: 'Profile', policy_name: 'kns.shop', policy_match: '' },
  ],
  'a cluster policy of Kubernetes is named': [
    { policies: { enforced_policies: [{ ...allowed, kind: 'ClusterNetworkPolicy' }] } },
    { policy_kind: 'ClusterNetworkPolicy', policy_name: 'allow-all' },
  ],
  'a policy of a kind from the future keeps its number': [
    { policies: { enforced_policies: [{ ...allowed, kind: 42 }] } },
    { policy_kind: '42' },
  ],
  'what a staged policy would deny is audited, and counts as forwarded': [
    { policies: { enforced_policies: [allowed], pending_policies: [{ ...staged, action: 'Deny', rule_index: 1 }] } },
    {
      verdict: 'audit',
      policy_kind: 'StagedNetworkPolicy',
      policy_name: 'lock-down',
      allowed_by: 'GlobalNetworkPolicy//allow-all',
      denied_by: 'StagedNetworkPolicy/shop/lock-down',
      drop_reason: '',
      connections: 2,
    },
  ],
  'what a staged policy would deny by default is audited too': [
    {
      policies: {
        enforced_policies: [allowed],
        pending_policies: [{ kind: 'EndOfTier', tier: 'default', action: 'Deny', rule_index: -1, trigger: staged }],
      },
    },
    {
      verdict: 'audit',
      policy_kind: 'StagedNetworkPolicy',
      policy_namespace: 'shop',
      policy_name: 'lock-down',
      policy_match: 'end_of_tier',
    },
  ],
  'a staged policy that agrees changes nothing': [
    { policies: { enforced_policies: [allowed], pending_policies: [{ ...staged, action: 'Allow' }] } },
    {
      verdict: 'forwarded',
      policy_name: 'allow-all',
      allowed_by: 'GlobalNetworkPolicy//allow-all,StagedNetworkPolicy/shop/lock-down',
    },
  ],
  'without a trace no policy is named': [
    { policies: {} },
    { verdict: 'forwarded', policy_kind: '', policy_name: '', policy_source: '', allowed_by: '' },
  ],
}
for (const [promise, [key, row]] of Object.entries(decisions)) test(promise, t => t.like(rows(flow(0, key))[0], row))

const workload = 1
const nobody = { namespace: '', pod: '', workload: '', workload_kind: '', entity: '', node: '', dns_name: '' }
const ends: Record<string, [Parameters<typeof endOf>, Plain]> = {
  'pods of a Deployment': [
    [{ type: workload, namespace: 'shop', name: 'web-574ff6d9fd-*' }],
    { namespace: 'shop', workload: 'web', workload_kind: 'Deployment' },
  ],
  'pods of a DaemonSet or StatefulSet': [
    [{ type: workload, namespace: 'kube-system', name: 'kube-proxy-*' }],
    { namespace: 'kube-system', workload: 'kube-proxy' },
  ],
  'a pod without an owner': [[{ type: workload, namespace: 'shop', name: 'debug' }], { namespace: 'shop', pod: 'debug' }],
  'a host': [[{ type: 2, namespace: '', name: 'node-1' }], { entity: 'host', node: 'node-1' }],
  'a set of networks': [[{ type: 3, namespace: '', name: 'trusted' }], { entity: 'network-set', dns_name: 'trusted' }],
  'a set of networks of a namespace': [
    [{ type: 3, namespace: 'shop', name: 'partners' }],
    { entity: 'network-set', dns_name: 'shop/partners' },
  ],
  'the public network': [[{ type: 4, namespace: '', name: 'pub' }], { entity: 'world' }],
  'the public network behind a service, which is counted': [[{ type: 4, namespace: '', name: 'pub' }, true], { entity: 'public-network' }],
  'a private network': [[{ type: 4, namespace: '', name: 'pvt' }, true], { entity: 'private-network' }],
  'what is no end': [[{ type: 0, namespace: 'x', name: 'y' }], {}],
}
for (const [who, [args, end]] of Object.entries(ends))
  test(`an end: ${who}`, t => t.deepEqual<Plain, Plain>({ ...endOf(...args) }, { ...nobody, ...end }))

test('a protocol nobody knows, even a word of JavaScript’s, is none', t => {
  for (const protocol of ['constructor', 'quic']) t.is(rows(flow(1_700_000_010, { proto: protocol }))[0].protocol, '', protocol)
})
