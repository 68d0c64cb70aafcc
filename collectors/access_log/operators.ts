import type { FieldName } from './fields.ts'

/** A command operator of Envoy, such as %REQ(X-ENVOY-ORIGINAL-PATH?:PATH):20%. */
export interface Operator {
  name: string
  /** What stands between the parentheses. */
  argument: string
}

const byName: Readonly<Record<string, FieldName>> = {
  START_TIME: 'start_time',
  PROTOCOL: 'protocol',
  RESPONSE_CODE: 'response_code',
  RESPONSE_FLAGS: 'response_flags',
  RESPONSE_CODE_DETAILS: 'response_code_details',
  CONNECTION_TERMINATION_DETAILS: 'connection_termination_details',
  UPSTREAM_TRANSPORT_FAILURE_REASON: 'upstream_transport_failure_reason',
  BYTES_RECEIVED: 'bytes_received',
  BYTES_SENT: 'bytes_sent',
  DURATION: 'duration',
  UPSTREAM_HOST: 'upstream_host',
  UPSTREAM_REMOTE_ADDRESS: 'upstream_host',
  UPSTREAM_CLUSTER: 'upstream_cluster',
  UPSTREAM_CLUSTER_RAW: 'upstream_cluster',
  UPSTREAM_LOCAL_ADDRESS: 'upstream_local_address',
  DOWNSTREAM_LOCAL_ADDRESS: 'downstream_local_address',
  DOWNSTREAM_REMOTE_ADDRESS: 'downstream_remote_address',
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: 'downstream_direct_remote_address',
  DOWNSTREAM_PEER_URI_SAN: 'downstream_peer_uri_san',
  UPSTREAM_PEER_URI_SAN: 'upstream_peer_uri_san',
  DOWNSTREAM_TLS_VERSION: 'downstream_tls_version',
  REQUESTED_SERVER_NAME: 'requested_server_name',
  ROUTE_NAME: 'route_name',
  GRPC_STATUS: 'grpc_status',
  GRPC_STATUS_NUMBER: 'grpc_status',
  UPSTREAM_REQUEST_ATTEMPT_COUNT: 'attempts',
  TRACE_ID: 'trace_id',
  SPAN_ID: 'span_id',
  CONNECTION_ID: 'connection_id',
  ACCESS_LOG_TYPE: 'access_log_type',
  PATH: 'path',
}

const byHeader: Readonly<Record<string, FieldName>> = {
  ':METHOD': 'method',
  ':PATH': 'path',
  'X-ENVOY-ORIGINAL-PATH': 'path',
  ':AUTHORITY': 'authority',
  HOST: 'authority',
  'USER-AGENT': 'user_agent',
  'X-REQUEST-ID': 'request_id',
  'X-FORWARDED-FOR': 'x_forwarded_for',
  'CONTENT-TYPE': 'content_type',
  TRACEPARENT: 'traceparent',
  'X-B3-TRACEID': 'trace_id',
  'X-B3-SPANID': 'span_id',
}

const byVariable: Readonly<Record<string, FieldName>> = { POD_NAME: 'pod_name', POD_NAMESPACE: 'pod_namespace', NODE_NAME: 'node_name' }

/** Operators of which any value is a whole number or `-`. */
const numbers = new Set([
  'RESPONSE_CODE',
  'BYTES_RECEIVED',
  'BYTES_SENT',
  'DURATION',
  'UPSTREAM_REQUEST_ATTEMPT_COUNT',
  'GRPC_STATUS_NUMBER',
  'CONNECTION_ID',
])

export const isNumeric = ({ name }: Operator) => numbers.has(name)

/** The field an operator tells; undefined for one that becomes an attribute. */
export function fieldOfOperator({ name, argument }: Operator): FieldName | undefined {
  if (name === 'REQ') return ofHeader(byHeader, argument)
  if (name === 'ENVIRONMENT') return known(byVariable, argument)
  if (name === 'RESP' && argument.toUpperCase() === 'X-ENVOY-UPSTREAM-SERVICE-TIME') return 'upstream_service_time'
  if (['RESP', 'TRAILER'].includes(name) && argument.toUpperCase() === 'GRPC-STATUS') return 'grpc_status'
  return known(byName, name)
}

/** Of X?Y, Y stands in for X: they tell the same thing. */
function ofHeader(fields: Readonly<Record<string, FieldName>>, argument: string): FieldName | undefined {
  for (const header of argument.toUpperCase().split('?')) {
    const field = known(fields, header.trim())
    if (field) return field
  }
  return undefined
}

const known = (fields: Readonly<Record<string, FieldName>>, name: string) => (Object.hasOwn(fields, name) ? fields[name] : undefined)
