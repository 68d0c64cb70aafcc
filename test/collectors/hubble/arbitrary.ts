import protobuf from 'protobufjs'
import fc from 'fast-check'
import { loadObserverProto } from '../../../collectors/hubble/proto.ts'

/** Values of fields where any text would never hit the paths that matter. */
const addresses = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom('', '::ffff:10.0.0.1', '010.0.0.1', '1.2.3', '256.1.1.1', 'no address', '0.0.0.0', '1.2.3.4.5', '1..2.3'),
)
const labels = fc.oneof(
  fc.constantFrom(
    'reserved:world',
    'reserved:host',
    'reserved:remote-node',
    'reserved:kube-apiserver',
    'reserved:new-thing',
    'k8s:io.cilium.k8s.policy.serviceaccount=default',
    'k8s:io.cilium.k8s.policy.cluster=east',
    'io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy',
    'k8s:app=a',
  ),
  fc.string(),
)
const named: Record<string, fc.Arbitrary<unknown>> = {
  'IP.source': addresses,
  'IP.destination': addresses,
  'IP.source_xlated': addresses,
  'Endpoint.labels': fc.array(labels, { maxLength: 4 }),
  'Endpoint.identity': fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: 0xffffffff })),
  'Policy.labels': fc.array(labels, { maxLength: 2 }),
  'HTTP.url': fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.constantFrom('/only/path', '//host/p', 'http://u:p@h:80/x?y', 'x', '')),
  'HTTPHeader.key': fc.constantFrom('User-Agent', 'user-agent', 'X-Request-Id', 'Content-Type', 'content-typo', 'accept'),
  'HTTPHeader.value': fc.constantFrom('curl/8', 'application/grpc', 'application/json', 'abc', ''),
  'Flow.uuid': fc.oneof(fc.uuid(), fc.constantFrom('', 'no-uuid')),
  'Flow.node_name': fc.constantFrom('', 'node-1', 'east/node-1', 'a/b/c'),
  'GetFlowsResponse.node_name': fc.constantFrom('', 'node-2', 'west/node-2'),
  'CiliumEventType.type': fc.constantFrom(0, 1, 4, 5, 7, 129, 200, 300, -1),
  'CiliumEventType.sub_type': fc.constantFrom(0, 1, 5, 11, 13, 50),
  'Timestamp.seconds': fc.constantFrom(0, 1, 1_600_000_000, 1_900_000_000, 5_000_000_000),
  'Timestamp.nanos': fc.nat({ max: 999_999_999 }),
  'DNS.query': fc.constantFrom('example.org.', 'example.org', '', '.'),
}

function scalar(field: protobuf.Field): fc.Arbitrary<unknown> {
  if (field.type === 'bool') return fc.boolean()
  if (field.type === 'string') return fc.oneof(fc.string({ maxLength: 8 }), fc.string({ minLength: 30, maxLength: 60, unit: 'grapheme' }))
  if (field.type === 'uint64') return fc.oneof(fc.nat(), fc.maxSafeNat())
  if (field.type === 'int32') return fc.integer()
  return fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 0xffffffff }))
}

function valueOf(field: protobuf.Field): fc.Arbitrary<unknown> {
  const { resolvedType } = field.resolve()
  if (resolvedType instanceof protobuf.Enum)
    return fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...Object.values(resolvedType.values)) },
      { weight: 1, arbitrary: fc.constantFrom(15, 99, 300, -1) },
    )
  return resolvedType instanceof protobuf.Type ? messages(resolvedType) : scalar(field)
}

/** Any message of a type, as an object protobufjs encodes. Only one field of a oneof is set. */
function messages(type: protobuf.Type): fc.Arbitrary<Record<string, unknown>> {
  const fields = type.fieldsArray.filter(field => field.type !== 'google.protobuf.Any')
  const record = Object.fromEntries(
    fields.map(field => {
      const special = named[`${type.name}.${field.name}`]
      return [field.name, special ?? (field.repeated ? fc.array(valueOf(field), { maxLength: 3 }) : valueOf(field))]
    }),
  )
  const all = fc.record(record, { requiredKeys: [] })
  const { oneofsArray } = type
  if (!oneofsArray.length) return all
  return fc.tuple(all, fc.nat()).map(([message, choice]) => {
    for (const { fieldsArray } of oneofsArray) {
      const present = fieldsArray.filter(({ name }) => name in message)
      const kept = present[choice % Math.max(1, present.length)]
      for (const { name } of present) if (name !== kept.name) delete message[name]
    }
    return message
  })
}

export const responses = fc
  .record({
    flow: messages(loadObserverProto().lookupType('flow.Flow')),
    node_name: named['GetFlowsResponse.node_name'],
    time: fc.option(messages(loadObserverProto().lookupType('google.protobuf.Timestamp')), { nil: undefined }),
  })
  .map(response => {
    const type = loadObserverProto().lookupType('observer.GetFlowsResponse')
    return Buffer.from(type.encode(type.fromObject(response)).finish())
  })
