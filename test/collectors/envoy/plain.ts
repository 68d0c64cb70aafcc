/** Messages as protobufjs makes objects of them, as far as tests look into them. */

export interface Duration {
  seconds?: number
  nanos?: number
}

export interface Address {
  socketAddress?: { address?: string; portValue?: number }
  envoyInternalAddress?: { endpointId?: string }
}

interface Certificate {
  subjectAltName?: { uri?: string }[]
}

export type Headers = Record<string, string>

export interface Common {
  downstreamRemoteAddress?: Address
  downstreamLocalAddress?: Address
  downstreamDirectRemoteAddress?: Address
  upstreamRemoteAddress?: Address
  tlsProperties?: {
    tlsVersion?: number
    tlsSniHostname?: string
    localCertificateProperties?: Certificate
    peerCertificateProperties?: Certificate
  }
  startTime?: Duration
  timeToFirstUpstreamTxByte?: Duration
  timeToFirstUpstreamRxByte?: Duration
  timeToLastDownstreamTxByte?: Duration
  duration?: Duration
  upstreamCluster?: string
  responseFlags?: {
    upstreamConnectionFailure?: boolean
    upstreamRequestTimeout?: boolean
    downstreamConnectionTermination?: boolean
    noRouteFound?: boolean
    dnsResolutionFailure?: boolean
    unauthorizedDetails?: object
  }
  metadata?: { filterMetadata?: Record<string, { fields?: Record<string, { stringValue?: string }> }> }
  upstreamTransportFailureReason?: string
  downstreamTransportFailureReason?: string
  routeName?: string
  customTags?: Headers
  upstreamRequestAttemptCount?: number
  connectionTerminationDetails?: string
  streamId?: string
  accessLogType?: number
  intermediateLogEntry?: boolean
  sampleRate?: number
}

export interface HttpEntry {
  commonProperties?: Common
  protocolVersion?: number
  request?: {
    requestMethod?: number
    authority?: string
    path?: string
    originalPath?: string
    userAgent?: string
    requestId?: string
    forwardedFor?: string
    requestHeadersBytes?: number
    requestBodyBytes?: number
    requestHeaders?: Headers
  }
  response?: {
    responseCode?: { value?: number }
    responseHeadersBytes?: number
    responseBodyBytes?: number
    responseHeaders?: Headers
    responseTrailers?: Headers
    responseCodeDetails?: string
  }
}

export interface TcpEntry {
  commonProperties?: Common
  connectionProperties?: { receivedBytes?: number; sentBytes?: number }
}

export interface LogMessage {
  httpLogs?: { logEntry?: HttpEntry[] }
  tcpLogs?: { logEntry?: TcpEntry[] }
}
