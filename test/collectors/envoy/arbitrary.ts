import fc from 'fast-check'

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 4 })
const address = fc.oneof(
  fc.constantFrom('10.1.2.3', '192.0.2.7', '127.0.0.1', '127.0.0.6', '::1', '2001:db8::1', 'no address', ''),
  fc.ipV4(),
  fc.ipV6(),
)
const socket = fc.record({ address, portValue: fc.nat({ max: 65_535 }) }).map(socketAddress => ({ socketAddress }))
const internal = fc
  .constantFrom('10.244.0.5:9080', '[2001:db8::2]:80', 'nothing', '')
  .map(endpointId => ({ envoyInternalAddress: { serverListenerName: 'connect_originate', endpointId } }))
const anyAddress = fc.oneof({ weight: 8, arbitrary: socket }, internal, fc.constant({ pipe: { path: '/run/s' } }), fc.constant({}))
const duration = fc.record({ seconds: fc.nat({ max: 5000 }), nanos: fc.nat({ max: 999_999_999 }) })
const uri = fc.constantFrom(
  'spiffe://cluster.local/ns/shop/sa/web',
  'spiffe://cluster.local/ns/test/sa/sleep',
  'urn:none',
  'https://x.example',
)
const certificate = fc.record({
  subjectAltName: fc.array(
    fc.oneof(
      uri.map(uri => ({ uri })),
      fc.constant({ dns: 'a.example' }),
    ),
    { maxLength: 2 },
  ),
})
const tls = fc.record({
  tlsVersion: fc.nat({ max: 4 }),
  tlsSniHostname: fc.constantFrom('', 'outbound_.80_._.cart.shop.svc.cluster.local', 'www.example'),
  localCertificateProperties: optional(certificate),
  peerCertificateProperties: optional(certificate),
})
const text = fc.oneof(fc.constantFrom('', 'default', 'ä', 'via_upstream'), fc.string({ maxLength: 40, unit: 'grapheme' }))
const hex = (length: number) => fc.string({ minLength: length, maxLength: length, unit: fc.constantFrom(...'0123456789abcdef') })
const traceparent = fc.oneof(
  fc.tuple(hex(32), hex(16)).map(([trace, span]) => `00-${trace}-${span}-01`),
  fc.constantFrom('', '00-1', `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`),
)
const headers = fc
  .record(
    {
      traceparent,
      'content-type': fc.constantFrom('application/grpc', 'application/grpc+proto', 'text/plain'),
      'grpc-status': fc.constantFrom('0', '7', '13', '99'),
      authorization: fc.constant('Bearer secret'),
      'x-one': text,
      'x-two': text,
      'x-b3-traceid': fc.oneof(hex(16), hex(32)),
    },
    { requiredKeys: [] },
  )
  .map(record => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)))
const details = fc.constantFrom(
  '',
  'via_upstream',
  'rbac_access_denied_matched_policy[none]',
  'rbac_access_denied_matched_policy[ns[shop]-policy[deny]-rule[1]]',
  'ext_authz_denied',
)
const struct = (fields: Record<string, unknown>): object => ({
  fields: Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, typeof value === 'string' ? { stringValue: value } : { structValue: value }]),
  ),
})
const rbac = fc.record(
  {
    enforced_engine_result: fc.constantFrom('allowed', 'denied'),
    enforced_effective_policy_id: fc.constantFrom('ns[shop]-policy[allow]-rule[0]', 'plain'),
    istio_dry_run_deny_shadow_engine_result: fc.constantFrom('allowed', 'denied'),
    istio_dry_run_deny_shadow_effective_policy_id: fc.constant('ns[shop]-policy[dry]-rule[0]'),
    shadow_engine_result: fc.constantFrom('allowed', 'denied'),
  },
  { requiredKeys: [] },
)
const metadata = fc.record(
  {
    'envoy.filters.http.rbac': rbac.map(struct),
    'envoy.filters.network.rbac': rbac.map(struct),
    other: fc.constant(struct({ nested: struct({ a: 'b' }) })),
  },
  { requiredKeys: [] },
)
const flags = fc.record(
  {
    upstreamConnectionFailure: fc.boolean(),
    upstreamRequestTimeout: fc.boolean(),
    downstreamConnectionTermination: fc.boolean(),
    noRouteFound: fc.boolean(),
    unauthorizedDetails: fc.constant({ reason: 1 }),
    dnsResolutionFailure: fc.boolean(),
  },
  { requiredKeys: [] },
)
export const clusters = [
  '',
  'outbound|80|v1|cart.shop.svc.cluster.local',
  'outbound|443||api.example.com',
  'inbound|8080||',
  'PassthroughCluster',
  'plain',
]

const common = fc.record(
  {
    downstreamRemoteAddress: optional(anyAddress),
    downstreamLocalAddress: optional(anyAddress),
    upstreamRemoteAddress: optional(anyAddress),
    downstreamDirectRemoteAddress: optional(anyAddress),
    tlsProperties: optional(tls),
    startTime: optional(fc.record({ seconds: fc.integer({ min: 1, max: 2_000_000_000 }), nanos: fc.nat({ max: 999_999_999 }) })),
    timeToFirstUpstreamTxByte: optional(duration),
    timeToFirstUpstreamRxByte: optional(duration),
    timeToLastDownstreamTxByte: optional(duration),
    duration: optional(duration),
    upstreamCluster: fc.constantFrom(...clusters),
    responseFlags: optional(flags),
    metadata: optional(metadata.map(filterMetadata => ({ filterMetadata }))),
    upstreamTransportFailureReason: text,
    downstreamTransportFailureReason: fc.constantFrom('', '', 'TLS_error'),
    routeName: text,
    customTags: optional(fc.dictionary(fc.constantFrom('tag', 'zone', 'other'), text, { noNullPrototype: true })),
    upstreamRequestAttemptCount: fc.nat({ max: 70_000 }),
    connectionTerminationDetails: details,
    streamId: optional(fc.uuid()),
    accessLogType: fc.constantFrom(0, 3, 6, 2, 5, 9, 14, 12, 13, 77),
    intermediateLogEntry: fc.constantFrom(false, false, false, true),
    sampleRate: fc.constantFrom(0, 0.5, 1),
  },
  { requiredKeys: [] },
)
const wide = fc.oneof(
  fc.nat(),
  fc.nat({ max: 2 ** 31 - 1 }).map(number => number * 4096),
)

export const httpEntry = fc.record(
  {
    commonProperties: optional(common),
    protocolVersion: fc.nat({ max: 5 }),
    request: optional(
      fc.record({
        requestMethod: fc.nat({ max: 10 }),
        authority: fc.constantFrom('', 'shop.example:8080', 'user:pass@shop.example'),
        path: fc.constantFrom('', '/', '/cart?id=1', '/login?token=abc&x=1', '/ä?q'),
        originalPath: fc.constantFrom('', '', '/before'),
        userAgent: text,
        requestId: text,
        forwardedFor: text,
        requestHeadersBytes: wide,
        requestBodyBytes: wide,
        requestHeaders: headers,
      }),
    ),
    response: optional(
      fc.record({
        responseCode: optional(fc.constantFrom(200, 403, 404, 500, 503).map(value => ({ value }))),
        responseHeadersBytes: wide,
        responseBodyBytes: wide,
        responseHeaders: headers,
        responseTrailers: headers,
        responseCodeDetails: details,
      }),
    ),
  },
  { requiredKeys: [] },
)

export const tcpEntry = fc.record(
  {
    commonProperties: optional(common),
    connectionProperties: optional(fc.record({ receivedBytes: wide, sentBytes: wide })),
  },
  { requiredKeys: [] },
)

/** Messages as plain objects, by the names of JSON. */
export const logMessage = fc.oneof(
  fc.array(httpEntry, { maxLength: 3 }).map(logEntry => ({ httpLogs: { logEntry } })),
  fc.array(tcpEntry, { maxLength: 3 }).map(logEntry => ({ tcpLogs: { logEntry } })),
)
