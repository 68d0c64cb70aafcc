import test from 'ava'
import { readClusterName } from '../../../collectors/mesh/cluster-name.ts'
import { grpcStatusText } from '../../../collectors/mesh/grpc-status.ts'
import { readIdentity } from '../../../collectors/mesh/identity.ts'
import { readNodeId } from '../../../collectors/mesh/node-id.ts'
import { denialBy, readDenial } from '../../../collectors/mesh/rbac.ts'
import { flagsText } from '../../../collectors/mesh/response-flags.ts'

const clusters: [string, Partial<ReturnType<typeof readClusterName>>][] = [
  ['outbound|8080|v1|reviews.shop.svc.cluster.local', { direction: 'egress', port: 8080, subset: 'v1', service: 'shop/reviews' }],
  ['outbound|443||api.example.com', { direction: 'egress', port: 443, service: '', host: 'api.example.com' }],
  ['inbound|9080||', { direction: 'ingress', port: 9080, service: '' }],
  ['inbound-vip|80|http|web.shop.svc.cluster.local', { direction: 'ingress', port: 80, subset: '', service: 'shop/web' }],
  ['outbound_.9080_._.details.shop.svc.cluster.local', { direction: 'egress', port: 9080, subset: '', service: 'shop/details' }],
  ['PassthroughCluster', { direction: 'egress', special: 'passthrough' }],
  ['InboundPassthroughClusterIpv4', { direction: 'ingress', special: 'passthrough' }],
  ['BlackHoleCluster', { direction: 'egress', special: 'blackhole' }],
  ['api.default.dc1.internal.6ba7b810-9dad-11d1-80b4-00c04fd430c8.consul', { direction: 'egress', service: 'default/api', subset: '' }],
  [
    'v2.api.default.dc1.internal.6ba7b810-9dad-11d1-80b4-00c04fd430c8.consul',
    { direction: 'egress', service: 'default/api', subset: 'v2' },
  ],
  [
    'api.billing.west.dc1.internal-v1.6ba7b810-9dad-11d1-80b4-00c04fd430c8.consul',
    { direction: 'egress', service: 'billing/api', subset: '' },
  ],
  ['local_app', { direction: 'ingress', service: '' }],
  ['xds-grpc', { direction: 'unknown', service: '', host: '' }],
  ['', { direction: 'unknown', port: 0 }],
]
for (const [name, expected] of clusters) test(`cluster ${JSON.stringify(name)} is read`, t => t.like(readClusterName(name), expected))

test('a denial is found in every form a proxy writes it', t => {
  const named = { namespace: 'shop', policy: 'deny-all', rule: 0, reason: 'policy_denied' }
  t.deepEqual(readDenial('rbac_access_denied_matched_policy[ns[shop]-policy[deny-all]-rule[0]]'), named as never)
  t.deepEqual(readDenial('x{rbac_access_denied_matched_policy[ns[shop]-policy[deny-all]-rule[0]]}'), named as never)
  t.deepEqual(readDenial('rbac_access_denied_matched_policy[none]'), { namespace: '', policy: '', reason: 'default_deny' })
  t.like(readDenial('rbac_access_denied_matched_policy[default-deny-all-due-to-bad-CUSTOM-action]'), {
    policy: 'default-deny-all-due-to-bad-CUSTOM-action',
  })
  t.is(readDenial('via_upstream'), undefined)
  t.like(denialBy('ns[a]-policy[b]'), { namespace: 'a', policy: 'b', rule: undefined })
})

test('identities are read in the forms of Istio, Consul and Linkerd, and nothing else is', t => {
  t.like(readIdentity('spiffe://cluster.local/ns/shop/sa/web'), { namespace: 'shop', serviceAccount: 'web', trustDomain: 'cluster.local' })
  t.like(readIdentity('cluster.local/ns/shop/sa/web'), { spiffeId: 'spiffe://cluster.local/ns/shop/sa/web' })
  t.like(readIdentity('spiffe://6ba7.consul/ns/default/dc/dc1/svc/api'), { namespace: 'default', service: 'api' })
  t.like(readIdentity('web.shop.serviceaccount.identity.linkerd.cluster.local'), {
    spiffeId: 'spiffe://cluster.local/ns/shop/sa/web',
    serviceAccount: 'web',
  })
  for (const none of ['', '-', 'unknown', 'spiffe://', 'spiffe://td', 'spiffe://td/a//b', 'spiffe://td/%2e', 'x'.repeat(3000)])
    t.is(readIdentity(none), undefined, none.slice(0, 20))
})

test('the id of a node says what and where the proxy is', t => {
  t.deepEqual(readNodeId('sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local'), {
    kind: 'sidecar',
    address: '10.1.2.3',
    pod: 'web-1',
    namespace: 'shop',
  })
  t.is(readNodeId('router~10.1.2.3~gw-1.istio-system~x')?.kind, 'gateway')
  t.is(readNodeId('edge-envoy-7'), undefined)
})

test('flags and statuses are texts in one spelling', t => {
  t.deepEqual(['-', '', 'UF', 'URX,UF', 'UF,URX,UF'].map(flagsText), ['', '', 'UF', 'UF,URX', 'UF,URX'])
  t.deepEqual(['0', '14', 'Unavailable', 'DeadlineExceeded', '-', '99'].map(grpcStatusText), [
    'OK',
    'UNAVAILABLE',
    'UNAVAILABLE',
    'DEADLINE_EXCEEDED',
    '',
    '99',
  ])
})
