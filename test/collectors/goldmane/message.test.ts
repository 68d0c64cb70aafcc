import test from 'ava'
import fc from 'fast-check'
import { FlowReader } from '../../../collectors/goldmane/message.ts'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import { OverLimitError } from '../../../collectors/protobuf/limits.ts'
import { choices, scramble } from '../hubble/scramble.ts'
import { type Plain, decodeResult, encodeResult, flow, resultType } from './flows.ts'

const name = fc.oneof(fc.string({ unit: 'binary', maxLength: 30 }), fc.constantFrom('-', '', 'web-574ff6d9fd-*', 'pub'))
const number = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 127, 128, 2 ** 32, 2 ** 53 - 1))
const signed = fc.oneof(number, fc.constantFrom(-1, -15, -(2 ** 40)))
const code = fc.nat({ max: 12 })
const hit = fc.record(
  { kind: code, namespace: name, name, tier: name, action: code, policy_index: signed, rule_index: signed },
  { requiredKeys: [] },
)
const triggered = fc.record({ kind: code, name, action: code, rule_index: signed, trigger: hit }, { requiredKeys: [] })
const hits = fc.array(fc.oneof(hit, triggered), { maxLength: 4 })
const keys = fc.record(
  {
    source_name: name,
    source_namespace: name,
    source_type: code,
    dest_name: name,
    dest_namespace: name,
    dest_type: code,
    dest_port: number,
    dest_service_name: name,
    dest_service_namespace: name,
    dest_service_port_name: name,
    dest_service_port: number,
    proto: name,
    reporter: code,
    action: code,
    policies: fc.record({ enforced_policies: hits, pending_policies: hits }),
  },
  { requiredKeys: [] },
)
const flows = fc.record(
  {
    Key: keys,
    start_time: number,
    end_time: number,
    source_labels: fc.array(name, { maxLength: 3 }),
    dest_labels: fc.array(name, { maxLength: 3 }),
    packets_in: signed,
    packets_out: signed,
    bytes_in: signed,
    bytes_out: signed,
    num_connections_started: signed,
    num_connections_live: signed,
  },
  { requiredKeys: [] },
)

const text = (value: unknown) => (value === '-' ? '' : value)
const count = (value: unknown) => Math.max(0, Number(value))

function plainHit(hit: Plain): Plain {
  return {
    kind: hit.kind,
    namespace: text(hit.namespace),
    name: text(hit.name),
    tier: text(hit.tier),
    action: hit.action,
    policyIndex: hit.policy_index,
    ruleIndex: hit.rule_index,
    ...(hit.trigger ? { trigger: plainHit(hit.trigger as Plain) } : {}),
  }
}

/** What the reader shall find, out of what protobufjs found. */
function expected(flow: Plain) {
  const key = (flow.Key ?? decodeResult(encodeResult({ Key: {} })).Key) as Plain
  const policies = (key.policies ?? { enforced_policies: [], pending_policies: [] }) as Record<string, Plain[]>
  return {
    key: {
      source: { type: key.source_type, namespace: text(key.source_namespace), name: text(key.source_name) },
      destination: { type: key.dest_type, namespace: text(key.dest_namespace), name: text(key.dest_name) },
      port: key.dest_port,
      serviceName: text(key.dest_service_name),
      serviceNamespace: text(key.dest_service_namespace),
      servicePortName: text(key.dest_service_port_name),
      servicePort: key.dest_service_port,
      protocol: text(key.proto),
      reporter: key.reporter,
      action: key.action,
      enforced: policies.enforced_policies.map(plainHit),
      pending: policies.pending_policies.map(plainHit),
    },
    start: count(flow.start_time),
    end: count(flow.end_time),
    sourceLabels: flow.source_labels,
    destinationLabels: flow.dest_labels,
    packetsIn: count(flow.packets_in),
    packetsOut: count(flow.packets_out),
    bytesIn: count(flow.bytes_in),
    bytesOut: count(flow.bytes_out),
    connectionsStarted: count(flow.num_connections_started),
  }
}

test('any flow is read as protobufjs reads it, in whatever legal form it comes', t => {
  const reader = new FlowReader()
  fc.assert(
    fc.property(flows, choices, (flow, by) => {
      const bytes = scramble(resultType, encodeResult(flow), by)
      const { known, ...rest } = reader.readResult(bytes, 0, bytes.length)!
      t.deepEqual<unknown, unknown>({ key: known.key, ...rest }, expected(decodeResult(bytes)))
    }),
    { numRuns: 500 },
  )
})

test('broken bytes throw nothing but the errors that are promised', t => {
  const reader = new FlowReader()
  const attempt = (bytes: Buffer) => {
    try {
      reader.readResult(bytes, 0, bytes.length)
    } catch (error) {
      t.true(error instanceof UndecodableError || error instanceof OverLimitError, String(error))
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => attempt(Buffer.from(bytes))),
    { numRuns: 2000 },
  )
  const mutation = fc.tuple(flows, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }), fc.nat())
  fc.assert(
    fc.property(mutation, ([flow, changes, cut]) => {
      const bytes = encodeResult(flow)
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      attempt(bytes)
      attempt(bytes.subarray(0, cut % (bytes.length + 1)))
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

test('what is larger than any real flow is refused, not stored', t => {
  const reader = new FlowReader()
  const nested = (depth: number): Plain => ({ kind: 'EndOfTier', ...(depth > 0 && { trigger: nested(depth - 1) }) })
  const tooMuch: Record<string, Plain> = {
    'a long name': flow(0, { dest_name: 'x'.repeat(2000) }),
    'many policies': flow(0, { policies: { enforced_policies: Array.from({ length: 200 }, () => ({ name: 'p' })) } }),
    'deep triggers': flow(0, { policies: { enforced_policies: [nested(20)] } }),
    'many labels': flow(0, {}, { source_labels: Array.from({ length: 1000 }, (_, i) => `l${i}=1`) }),
  }
  for (const [what, one] of Object.entries(tooMuch)) {
    const bytes = encodeResult(one)
    t.throws(() => reader.readResult(bytes, 0, bytes.length), { instanceOf: OverLimitError }, what)
  }
})
