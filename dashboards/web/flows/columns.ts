import type { ShownKind } from '../state/url.ts'

/** Which columns the tables of records show, and how fields group in the panel of one record. */

export const defaultColumns: Readonly<Record<ShownKind, readonly string[]>> = {
  flow: ['time', 'verdict', 'src', 'dst', 'server_port', 'protocol', 'drop_reason', 'policy_name', 'observation_point', 'reporter'],
  request: ['time', 'src', 'dst', 'protocol', 'method', 'path', 'status_code', 'latency', 'phase', 'reporter'],
  span: ['time', 'service_name', 'name', 'kind', 'status', 'src', 'dst', 'duration', 'trace_id'],
}

/** Columns made of several fields of an end. */
export const endColumns: readonly string[] = ['src', 'dst']

export const titles: Readonly<Record<string, string>> = {
  time: 'Time',
  src: 'Source',
  dst: 'Destination',
  server_port: 'Port',
  drop_reason: 'Drop reason',
  policy_name: 'Policy',
  status_code: 'Status',
  observation_point: 'Seen at',
  reporter: 'Reporter',
  service_name: 'Service',
  name: 'Operation',
  trace_id: 'Trace',
}

export const titleOf = (name: string) => titles[name] ?? name[0]!.toUpperCase() + name.slice(1).replaceAll('_', ' ')

const l4 =
  /^(protocol|ip_version|server_port|tcp_flags|icmp|src_port|dst_port|trace_reason|is_reply|orientation|bytes|packets|weight|encrypted|auth_type|tunnel|proxy_port)/
const l7 =
  /^(method|host|path|status_code|error|latency|phase|request_|response_|user_agent|trace_id|dns_|kafka_|correlation_id|protocol_version)/
const span =
  /^(service_name|name|kind|scope|span_id|parent_span_id|trace_state|duration|status|status_message|route|peer_service|events|links)$/
const groups: readonly (readonly [title: string, has: (name: string) => boolean])[] = [
  ['Source end', name => name.startsWith('src_') && name !== 'src_port'],
  ['Destination end', name => name.startsWith('dst_') && name !== 'dst_port'],
  ['Policy', name => /^(policy_|allowed_by|denied_by|verdict|drop_)/.test(name)],
  ['Span', name => span.test(name)],
  ['Application', name => l7.test(name)],
  ['Transport', name => l4.test(name)],
  ['Where it was seen', () => true],
]

/** The fields of a record that say something, in groups. */
export function groupsOf(names: readonly string[]): [title: string, names: string[]][] {
  const grouped = Map.groupBy(names, name => groups.find(([, has]) => has(name))![0])
  return groups.flatMap(([title]) => (grouped.has(title) ? [[title, grouped.get(title)!] as [string, string[]]] : []))
}
