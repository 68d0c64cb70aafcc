/** A span as Zipkin's API v2 has it, in JSON or protobuf. Ids in hexadecimal, times in microseconds. */
export interface ZipkinSpan {
  traceId: string
  id: string
  parentId: string
  name: string
  kind: string
  timestamp: number
  duration: number
  /** It is the server's half of a span whose id the client gave. */
  shared: boolean
  localEndpoint: Endpoint
  remoteEndpoint: Endpoint
  tags: readonly (readonly [key: string, value: string])[]
  annotations: readonly { timestamp: number; value: string }[]
}

export interface Endpoint {
  serviceName: string
  ipv4: string
  ipv6: string
  port: number
}

export const noEndpoint: Endpoint = { serviceName: '', ipv4: '', ipv6: '', port: 0 }
