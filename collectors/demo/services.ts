import { type Workload, workloads } from './shop.ts'
import { encoded } from './wire.ts'

/** A Service by its cluster address. */
export interface Service {
  name: string
  namespace: string
  workload: Workload
  address: string
  /** IP.destination, and Flow.destination_service. */
  ipDestination: Uint8Array
  asDestination: Uint8Array
}

function serviceOf(each: Workload, address: string): Service {
  const { name, namespace } = each
  return {
    name,
    namespace,
    workload: each,
    address,
    ipDestination: encoded(wire => wire.text(2, address)),
    asDestination: encoded(wire => {
      const opened = wire.open(21)
      wire.text(1, name)
      wire.text(2, namespace)
      wire.close(opened)
    }),
  }
}

/** One for each workload that has a cluster address; of the same name and namespace. */
export const services: readonly Service[] = workloads.flatMap(each => (each.clusterIp ? [serviceOf(each, each.clusterIp)] : []))

const byWorkload = new Map(services.map(service => [service.workload, service]))

export const serviceFor = (each: Workload | undefined): Service | undefined => each && byWorkload.get(each)
