import { type ObjectVersion, openEnd } from '../../../schema/object.ts'

/** Who has an address in one of its turns: 50 namespaces, 300 workloads, 1,000 nodes. */
export function podOf(address: number, turn: number) {
  const workload = (address * 7 + turn * 31) % 300
  return {
    address: `10.${(address >> 16) & 255}.${(address >> 8) & 255}.${address & 255}`,
    name: `workload-${workload}-7d4b9c6f5d-${address.toString(36)}${turn}`,
    namespace: `ns-${workload % 50}`,
    workload: `workload-${workload}`,
    node: `node-${address % 1000}`,
  }
}

/** Each address has been that of one pod after the other, the last of which still has it. */
export function* history({ addresses, versions, from, to }: { addresses: number; versions: number; from: number; to: number }) {
  const turn = (to - from) / versions
  for (let version = 0; version < versions; version++)
    for (let address = 0; address < addresses; address++) {
      const begins = from + version * turn + (address % 1000) * 1e6
      yield {
        ...versionOf(address, version),
        valid_from: begins,
        valid_to: version === versions - 1 ? openEnd : begins + turn - 1e6,
      } satisfies ObjectVersion
    }
}

function versionOf(address: number, turn: number): ObjectVersion {
  const { name, namespace, workload, node, address: text } = podOf(address, turn)
  return {
    time: 1,
    source: 'kubernetes',
    cluster: 'east',
    kind: 'pod',
    namespace,
    name,
    uid: `5f0c6a1e-${turn}-${address}`,
    addresses: [text],
    ports: ['tcp/8080'],
    node,
    workload,
    workload_kind: 'Deployment',
    services: [`${namespace}/${workload}`],
    service_account: workload,
    spiffe_id: `spiffe://example/ns/${namespace}/sa/${workload}`,
    labels: [`app=${workload}`, `pod-template-hash=7d4b9c6f5d`],
  }
}
