import { type Edge, edges } from './edges.ts'
import { type Workload, objectStore, stripe, workload, workloads } from './shop.ts'
import { encoded } from './wire.ts'

export type PolicyKind = 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy' | 'NetworkPolicy'

/** A policy as flows name it and as the objects show it. */
export interface Policy {
  kind: PolicyKind
  namespace: string
  name: string
  spec: object
  /** kind/namespace/name */
  id: string
  /** A whole field of a flow: who allowed or denied it. */
  allowsEgress: Uint8Array
  allowsIngress: Uint8Array
  deniesEgress: Uint8Array
  deniesIngress: Uint8Array
}

function policy(kind: PolicyKind, namespace: string, name: string, spec: object): Policy {
  const label = (key: string, value: string) => `k8s:io.cilium.k8s.policy.${key}=${value}`
  const labels = [label('derived-from', kind), label('name', name), ...(namespace ? [label('namespace', namespace)] : [])]
  const as = (field: number) =>
    encoded(wire => {
      const opened = wire.open(field, 2)
      wire.text(1, name)
      wire.text(2, namespace)
      for (const each of labels) wire.text(3, each)
      wire.number(4, 7)
      wire.text(5, kind)
      wire.close(opened)
    })
  return {
    kind,
    namespace,
    name,
    spec,
    id: `${kind}/${namespace}/${name}`,
    allowsEgress: as(21001),
    allowsIngress: as(21002),
    deniesEgress: as(21004),
    deniesIngress: as(21005),
  }
}

const selects = ({ name }: Workload) => ({ matchLabels: { 'app.kubernetes.io/name': name } })
const inNamespace = (each: Workload) => ({
  matchLabels: { 'k8s:io.kubernetes.pod.namespace': each.namespace, 'app.kubernetes.io/name': each.name },
})
const toPort = (port: number) => ({ ports: [{ port: String(port), protocol: 'TCP' }] })

/** One policy for each workload that is called: who may. Those of the data namespace are plain NetworkPolicies. */
function clientsOf(server: Workload, clients: readonly Edge[]): Policy {
  const port = server.port
  if (server.namespace === 'data') {
    const from = clients.map(({ client }) => ({
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': workload(client).namespace } },
      podSelector: selects(workload(client)),
    }))
    const spec = { podSelector: selects(server), policyTypes: ['Ingress'], ingress: [{ from, ports: [{ port, protocol: 'TCP' }] }] }
    return policy('NetworkPolicy', server.namespace, `${server.name}-clients`, spec)
  }
  const rules = server.speaks === 'http' ? { rules: { http: [{}] } } : {}
  const fromEndpoints = clients.map(({ client }) => inNamespace(workload(client)))
  const ingress = [{ fromEndpoints, toPorts: [{ ...toPort(port), ...rules }] }]
  return policy('CiliumNetworkPolicy', server.namespace, `${server.name}-clients`, { endpointSelector: selects(server), ingress })
}

const called = workloads.filter(each => edges.some(edge => edge.server === each.name))

/** By the name of the server: who allows its clients. */
export const clientPolicies: ReadonlyMap<string, Policy> = new Map(
  called.map(server => [
    server.name,
    clientsOf(
      server,
      edges.filter(edge => edge.server === server.name && !edge.denied),
    ),
  ]),
)

export const gatewayOpen = policy('CiliumNetworkPolicy', 'edge', 'open-to-the-world', {
  endpointSelector: selects(workload('ingress-gateway')),
  ingress: [{ fromEntities: ['world'], toPorts: [toPort(8443)] }],
})

export const clusterEgress = policy('CiliumClusterwideNetworkPolicy', '', 'egress-within-cluster', {
  endpointSelector: { matchExpressions: [{ key: 'k8s:io.kubernetes.pod.namespace', operator: 'NotIn', values: ['batch'] }] },
  egress: [{ toEntities: ['cluster'] }],
})

export const dnsForAll = policy('CiliumClusterwideNetworkPolicy', '', 'dns-for-all', {
  endpointSelector: {},
  egress: [
    {
      toEndpoints: [inNamespace(workload('coredns'))],
      toPorts: [{ ports: [{ port: '53', protocol: 'UDP' }], rules: { dns: [{ matchPattern: '*' }] } }],
    },
  ],
})

export const scrapes = policy('CiliumClusterwideNetworkPolicy', '', 'allow-scrapes', {
  endpointSelector: {},
  ingress: [{ fromEndpoints: [inNamespace(workload('prometheus'))], toPorts: [toPort(9102)] }],
})

/** What is not listed has no way out, and nobody's name is on the denial. */
export const reportEgress = policy('NetworkPolicy', 'batch', 'report-egress', {
  podSelector: selects(workload('report')),
  policyTypes: ['Egress'],
  egress: [{ to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'data' } } }], ports: [{ port: 5432 }] }],
})

export const paymentToStripe = policy('CiliumNetworkPolicy', 'payments', 'payment-to-stripe', {
  endpointSelector: selects(workload('payment')),
  egress: [{ toFQDNs: [{ matchName: stripe.dnsName }], toPorts: [toPort(443)] }],
})

export const postgresToObjectStore = policy('CiliumNetworkPolicy', 'data', 'postgres-to-object-store', {
  endpointSelector: selects(workload('postgres')),
  egress: [{ toFQDNs: [{ matchName: objectStore.dnsName }], toPorts: [toPort(443)] }],
})

export const noRecommendation = policy('CiliumNetworkPolicy', 'payments', 'no-recommendation', {
  endpointSelector: {},
  ingressDeny: [{ fromEndpoints: [inNamespace(workload('recommendation'))] }],
})

export const noFrontendToDatabases = policy('CiliumClusterwideNetworkPolicy', '', 'no-frontend-to-databases', {
  endpointSelector: inNamespace(workload('postgres')),
  ingressDeny: [{ fromEndpoints: [inNamespace(workload('frontend'))] }],
})

/** The one that comes and goes. */
export const restrictFraud = policy('CiliumNetworkPolicy', 'payments', 'restrict-fraud', {
  endpointSelector: selects(workload('fraud')),
  ingressDeny: [{ fromEndpoints: [inNamespace(workload('checkout'))] }],
})

/** Policies that are always there. */
export const lastingPolicies: readonly Policy[] = [
  ...clientPolicies.values(),
  gatewayOpen,
  clusterEgress,
  dnsForAll,
  scrapes,
  reportEgress,
  paymentToStripe,
  postgresToObjectStore,
  noRecommendation,
  noFrontendToDatabases,
]
