import test from 'ava'
import { demandOf, isInMesh, peerAuthenticationOf } from '../../../enricher/identity/mesh.ts'
import { podOf } from '../../../enricher/identity/pod.ts'

const pod = (labels: Record<string, string>, more: object = {}) =>
  podOf({ kind: 'pod', namespace: 'shop', name: 'cart-1', uid: 'u', labels: Object.entries(labels).map(each => each.join('=')), ...more })

const sidecar = { 'security.istio.io/tlsMode': 'istio', 'service.istio.io/canonical-name': 'cart' }
const ambient = { 'istio.io/dataplane-mode': 'ambient' }
const members: Record<string, [labels: Record<string, string>, namespace: Record<string, string>, expected: boolean]> = {
  'a pod with a sidecar is in the mesh': [sidecar, {}, true],
  'so is one in a namespace that is ambient': [{ app: 'cart' }, ambient, true],
  'and one that is ambient itself': [ambient, {}, true],
  'but not one that is left out of it': [{ 'istio.io/dataplane-mode': 'none' }, ambient, false],
  'a pod with a sidecar is, also where it is left out of ambient': [{ ...sidecar, 'istio.io/dataplane-mode': 'none' }, {}, true],
  'a pod without any of it is not': [{ app: 'cart' }, { 'kubernetes.io/metadata.name': 'shop' }, false],
  'a sidecar that is switched off is none': [{ 'security.istio.io/tlsMode': 'disabled' }, {}, false],
  'to ask for a sidecar is not to have one': [{ 'sidecar.istio.io/inject': 'true' }, {}, false],
  'a gateway that was injected is in it': [
    { 'sidecar.istio.io/inject': 'true', 'service.istio.io/canonical-name': 'gw', istio: 'ingressgateway' },
    {},
    true,
  ],
  'so are waypoints and gateways of the Gateway API': [{ 'gateway.networking.k8s.io/gateway-name': 'waypoint' }, {}, true],
  'a namespace for injection alone has no identity to give': [{ app: 'cart' }, { 'istio-injection': 'enabled' }, false],
}

for (const [title, [labels, namespace, expected]] of Object.entries(members))
  test(`mesh: ${title}`, t => t.is(isInMesh(pod(labels), new Map(Object.entries(namespace))), expected))

test('mesh: a pod on the host network is not in it', t => {
  t.false(isInMesh(pod(sidecar, { host_network: true }), new Map()))
})

const policy = (namespace: string, name: string, mode: string, more: object = {}) =>
  peerAuthenticationOf({ namespace, name }, { mtls: { mode }, ...more })
const selecting = (app: string, more: object = {}) => ({ selector: { matchLabels: { app } }, ...more })
const cart = pod({ app: 'cart' })

const demands: Record<string, [policies: ReturnType<typeof policy>[], port: number, expected: string]> = {
  'nobody asks': [[], 80, ''],
  'the mesh is strict': [[policy('istio-system', 'default', 'STRICT')], 80, 'PeerAuthentication istio-system/default'],
  'the namespace before the mesh': [[policy('istio-system', 'default', 'STRICT'), policy('shop', 'default', 'PERMISSIVE')], 80, ''],
  'and the other way round': [
    [policy('istio-system', 'default', 'PERMISSIVE'), policy('shop', 'own', 'STRICT')],
    80,
    'PeerAuthentication shop/own',
  ],
  'the workload before the namespace': [
    [policy('shop', 'default', 'STRICT'), policy('shop', 'cart', 'DISABLE', selecting('cart'))],
    80,
    '',
  ],
  'another workload’s is none of ours': [[policy('shop', 'pay', 'STRICT', selecting('pay'))], 80, ''],
  'unset asks the level above': [
    [policy('istio-system', 'default', 'STRICT'), policy('shop', 'default', 'UNSET')],
    80,
    'PeerAuthentication istio-system/default',
  ],
  'a port has its own': [
    [
      policy('shop', 'default', 'STRICT'),
      policy('shop', 'cart', 'UNSET', selecting('cart', { portLevelMtls: { 8080: { mode: 'PERMISSIVE' } } })),
    ],
    8080,
    '',
  ],
  'and the other ports theirs': [
    [
      policy('shop', 'default', 'STRICT'),
      policy('shop', 'cart', 'UNSET', selecting('cart', { portLevelMtls: { 8080: { mode: 'PERMISSIVE' } } })),
    ],
    80,
    'PeerAuthentication shop/default',
  ],
  'a strict port of a permissive workload': [
    [policy('shop', 'cart', 'PERMISSIVE', selecting('cart', { portLevelMtls: { 8443: { mode: 'STRICT' } } }))],
    8443,
    'PeerAuthentication shop/cart',
  ],
  'ports without a selector are ignored': [
    [policy('shop', 'default', 'PERMISSIVE', { portLevelMtls: { 80: { mode: 'STRICT' } } })],
    80,
    '',
  ],
  'the oldest of two': [[policy('shop', 'a', 'STRICT'), policy('shop', 'b', 'PERMISSIVE')], 80, 'PeerAuthentication shop/a'],
  'one of the root namespace that selects is for that namespace': [[policy('istio-system', 'cart', 'STRICT', selecting('cart'))], 80, ''],
  'another namespace’s is none of ours': [[policy('bank', 'default', 'STRICT')], 80, ''],
}

for (const [title, [policies, port, expected]] of Object.entries(demands))
  test(`PeerAuthentication: ${title}`, t => {
    const demand = demandOf(policies, cart, 'istio-system')
    t.is(demand ? (demand.ports.get(port) ?? demand.by) : '', expected)
  })
