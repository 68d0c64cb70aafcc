import { readPort } from './ports.ts'

/** How a service is reached besides its own ports, as codes of ports and texts of addresses. */
export interface Reach {
  /** Ports of all nodes. */
  nodePorts: readonly number[]
  /** Ports of the pods behind it, where all are numbers. */
  targets: readonly number[]
  /** Addresses from outside the cluster. */
  external: readonly string[]
}

const nothing: Reach = { nodePorts: [], targets: [], external: [] }

/**
 * Reads the `spec` of a service: `nodePorts` by protocol/port, `external`, and `ports` as Kubernetes has them (core/v1 ServicePort), of which
 * `nodePort` and `targetPort` matter. What cannot be read says nothing.
 */
export function readReach(spec = ''): Reach {
  if (!spec) return nothing
  try {
    const said: unknown = JSON.parse(spec)
    if (!isGroup(said)) return nothing
    const { nodePorts, external, ports } = said
    const own = listOf(ports).filter(isGroup)
    const targets = own.map(({ protocol, targetPort, port }) => codeOf(protocol, targetPort ?? port))
    return {
      nodePorts: [
        ...Object.keys(isGroup(nodePorts) ? nodePorts : {}).map(readPort),
        ...own.map(({ protocol, nodePort }) => codeOf(protocol, nodePort)),
      ].filter(Boolean),
      targets: targets.every(Boolean) ? targets : [],
      external: listOf(external).filter(address => typeof address === 'string'),
    }
  } catch {
    return nothing
  }
}

const isGroup = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

/** 0 for a port that has a name, or is none. */
const codeOf = (protocol: unknown, port: unknown) =>
  typeof port === 'number' ? readPort(`${typeof protocol === 'string' ? protocol.toLowerCase() : 'tcp'}/${port}`) : 0
