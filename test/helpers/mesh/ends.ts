import type { Exchange } from './exchanges.ts'
import { type Party, cluster, outsideAddress, trustDomain } from './world.ts'

export type Row = Record<string, unknown>

/** What an agent reported. */
export interface Reported {
  flow: Row[]
  request: Row[]
  span: Row[]
}

export const nothing = (): Reported => ({ flow: [], request: [], span: [] })

/** Who talks: without a server or a client it is outside. */
export interface Between {
  client?: Party
  server?: Party
}

/** Names as the two ends of a record have them. */
export const prefixed = (end: 'src' | 'dst', fields: Row): Row =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [`${end}_${name}`, value]))

export const addressOf = (party: Party | undefined, version: 4 | 6) =>
  party ? (version === 6 ? party.address6 : party.address) : version === 6 ? '2001:db8::9' : outsideAddress

/** Addresses and ports from the client to the server. */
export function addresses({ client, server }: Between, { clientPort, serverPort, ipVersion }: Exchange): Row {
  return {
    ip_version: ipVersion,
    src_address: addressOf(client, ipVersion),
    src_port: clientPort,
    dst_address: addressOf(server, ipVersion),
    dst_port: serverPort,
  }
}

/** What a proxy says of its own pod. */
export const ownClaim = ({ namespace, pod, workload, node }: Party): Row => ({
  cluster,
  namespace,
  pod,
  workload,
  workload_kind: 'Deployment',
  service_account: workload,
  node,
})

/** What the certificate of the other end says. */
export const certificate = (party: Party | undefined): Row =>
  party
    ? {
        namespace: party.namespace,
        service_account: party.workload,
        spiffe_id: `${trustDomain}/ns/${party.namespace}/sa/${party.workload}`,
        spiffe_id_source: 'certificate',
      }
    : {}

/** The ends swapped. */
export const turned = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name.startsWith('src_') ? `dst_${name.slice(4)}` : name.startsWith('dst_') ? `src_${name.slice(4)}` : name,
      value,
    ]),
  )
