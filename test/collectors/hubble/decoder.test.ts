import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { Decoder, type Memory } from '../../../collectors/hubble/decoder.ts'
import { Nodes } from '../../../collectors/hubble/nodes.ts'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import { Block } from '../../../runtime/block/block.ts'
import { BlockBuilder } from '../../../runtime/block/builder.ts'
import { kinds } from '../../../schema/record.ts'
import { responses } from './arbitrary.ts'
import { referenceRecords, responseType } from './reference.ts'
import { choices, scramble } from './scramble.ts'

const received = 1_700_000_000_123_456
const forgetful: Memory = { horizon: -Infinity, add: () => true, has: () => false }

function open() {
  const decoder = new Decoder({ nodes: new Nodes('home'), memory: { flow: forgetful, request: forgetful } })
  const builders = { flow: new BlockBuilder(kinds.flow, 64), request: new BlockBuilder(kinds.request, 64) }
  const decode = (bytes: Buffer) => {
    builders.flow.reset()
    builders.request.reset()
    decoder.writeTo(builders.flow, builders.request)
    return decoder.decode(bytes, 0, bytes.length, received)
  }
  const recordsOf = (kind: 'flow' | 'request') => new Block(builders[kind].encode(), kinds[kind]).records()
  return { decoder, builders, decode, recordsOf }
}

const encoded = (flow: object) => Buffer.from(responseType().encode(responseType().fromObject({ flow })).finish())

/** The record as a block gives it back: with the defaults of what it leaves out, addresses in one form. */
function throughBlock(kind: 'flow' | 'request', record: Record<string, unknown> | undefined) {
  const builder = new BlockBuilder(kinds[kind], 4)
  if (record) builder.add(record)
  return new Block(builder.encode(), builder.kind).records()
}

test('any flow decodes to what the reference decoder makes of it, in whatever legal form it comes', t => {
  const { decode, recordsOf } = open()
  fc.assert(
    fc.property(responses, choices, (bytes, by) => {
      const message = scramble(responseType(), bytes, by)
      const { flow, request } = referenceRecords(message, { received, cluster: 'home' })
      decode(message)
      t.deepEqual(recordsOf('flow'), throughBlock('flow', flow))
      t.deepEqual(recordsOf('request'), throughBlock('request', request))
    }),
    { numRuns: 1500 },
  )
})

test('broken bytes throw nothing but UndecodableError, and write nothing', t => {
  const { builders, decode } = open()
  const attempt = (bytes: Buffer) => {
    try {
      decode(bytes)
    } catch (error) {
      t.true(error instanceof UndecodableError, String(error))
      t.is(builders.flow.rows + builders.request.rows, 0)
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => attempt(Buffer.from(bytes))),
    { numRuns: 1000 },
  )
  fc.assert(
    fc.property(responses, fc.nat(), fc.nat(), fc.nat({ max: 255 }), (bytes, cut, at, byte) => {
      attempt(bytes.subarray(0, cut % (bytes.length + 1)))
      const changed = Buffer.from(bytes)
      changed[at % Math.max(1, bytes.length)] = byte
      attempt(changed)
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

test('a row after a broken message holds nothing of it', t => {
  const { decoder, builders, recordsOf } = open()
  const whole = Buffer.from(
    responseType()
      .encode(responseType().fromObject({ flow: { verdict: 1 } }))
      .finish(),
  )
  const broken = Buffer.concat([
    Buffer.from(
      responseType()
        .encode(responseType().fromObject({ flow: { verdict: 2, proxy_port: 9, IP: { source: '10.0.0.1' } } }))
        .finish(),
    ),
    Buffer.from([0x0a, 0x7f]),
  ])
  decoder.writeTo(builders.flow, builders.request)
  t.throws(() => decoder.decode(broken, 0, broken.length, received), { instanceOf: UndecodableError })
  decoder.decode(whole, 0, whole.length, received)
  t.deepEqual(recordsOf('flow'), throughBlock('flow', referenceRecords(whole, { received, cluster: 'home' }).flow))
})

test('labels are right when a builder begins another block, and when two builders take turns', t => {
  const decoder = new Decoder({ nodes: new Nodes(), memory: { flow: forgetful, request: forgetful } })
  const request = new BlockBuilder(kinds.request)
  const builders = [new BlockBuilder(kinds.flow), new BlockBuilder(kinds.flow)]
  const message = (pod: string) =>
    Buffer.from(
      responseType()
        .encode(responseType().fromObject({ flow: { source: { pod_name: pod }, verdict: 1 } }))
        .finish(),
    )
  for (let turn = 0; turn < 6; turn++) {
    const flow = builders[turn % 2]
    flow.reset()
    decoder.writeTo(flow, request)
    const pods = ['a', 'b', 'c', 'd'].slice(turn % 3).concat('a')
    for (const bytes of pods.map(message)) decoder.decode(bytes, 0, bytes.length, received)
    t.deepEqual(new Block(flow.encode(), flow.kind).values('src_pod'), pods)
  }
})

test('a record is known by its uuid, or by its bytes when it has none', t => {
  const { decode, builders } = open()
  decode(encoded({ uuid: '0102a3b4-c5d6-e7f8-9900-112233445566' }))
  t.is(Buffer.from(builders.flow.ids.subarray(0, 8)).toString('hex'), '0102a3b4c5d6e7f8')
  const idOf = (flow: object) => (decode(encoded(flow)), Buffer.from(builders.flow.ids.subarray(0, 8)).toString('hex'))
  t.is(idOf({ verdict: 1 }), idOf({ verdict: 1 }))
  t.not(idOf({ verdict: 1 }), idOf({ verdict: 2 }))
})

test('a policy that allowed one end is never named as the one that denied, and a default deny names none', t => {
  const { decode, recordsOf } = open()
  const decided = (flow: object) => {
    decode(encoded(flow))
    const [{ policy_name, policy_source, allowed_by, denied_by }] = recordsOf('flow')
    return [policy_name, policy_source, allowed_by, denied_by]
  }
  const web = { name: 'web', namespace: 'shop', kind: 'NetworkPolicy' }
  const cart = { name: 'cart', namespace: 'shop', kind: 'NetworkPolicy' }
  const [allowed, denied] = ['NetworkPolicy/shop/web', 'NetworkPolicy/shop/cart']
  // 133: no policy allowed it; 181: one denied it.
  t.deepEqual(decided({ verdict: 2, drop_reason_desc: 133, egress_allowed_by: [web] }), ['', '', allowed, ''])
  t.deepEqual(decided({ verdict: 2, drop_reason_desc: 181, egress_allowed_by: [web], ingress_denied_by: [cart] }), [
    'cart',
    'dataplane',
    allowed,
    denied,
  ])
  t.deepEqual(decided({ verdict: 4, egress_allowed_by: [web] }), ['', '', allowed, ''])
  t.deepEqual(decided({ verdict: 1, egress_allowed_by: [web] }), ['web', 'dataplane', allowed, ''])
})

test('a denial has the revision of the policy at its time, whatever the policy became later', t => {
  const { decoder, builders, recordsOf } = open()
  decoder.writeTo(builders.flow, builders.request)
  for (const revision of [3, 4, 3]) {
    const policy = { name: 'cart-deny', namespace: 'shop', revision }
    const bytes = encoded({ verdict: 2, drop_reason_desc: 181, ingress_denied_by: [policy] })
    decoder.decode(bytes, 0, bytes.length, received)
  }
  t.deepEqual(
    recordsOf('flow').map(({ policy_name, policy_revision }) => [policy_name, policy_revision]),
    [3, 4, 3].map(revision => ['cart-deny', revision]),
  )
})

test('more endpoints, and more texts, than are remembered at once are told apart all the same', t => {
  const decoder = new Decoder({ nodes: new Nodes(), memory: { flow: forgetful, request: forgetful } })
  const builders = { flow: new BlockBuilder(kinds.flow), request: new BlockBuilder(kinds.request) }
  const type = responseType()
  // In every block, so that it is known by what the blocks before knew.
  const destination = { pod_name: 'always', namespace: 'there', identity: 7 }
  for (let from = 0; from < 240_000; from += 8000) {
    builders.flow.reset()
    decoder.writeTo(builders.flow, builders.request)
    const pods = Array.from({ length: 8000 }, (_, i) => ({ pod_name: `web-${from + i - (i % 3) * 2000}`, identity: from + i }))
    for (const source of pods) {
      const bytes = Buffer.from(type.encode(type.fromObject({ flow: { source, destination } })).finish())
      decoder.decode(bytes, 0, bytes.length, received)
    }
    const block = new Block(builders.flow.encode(), builders.flow.kind)
    t.deepEqual(
      block.values('src_pod'),
      pods.map(({ pod_name }) => pod_name),
    )
    t.deepEqual(
      block.values('src_identity'),
      pods.map(({ identity }) => identity),
    )
    t.deepEqual(new Set(block.values('dst_pod')), new Set(['always']))
    t.deepEqual(new Set(block.values('dst_namespace')), new Set(['there']))
  }
})

test('a block tells more than 256 numbers of an enum apart, and numbers of 32 bits', t => {
  const decoder = new Decoder({ nodes: new Nodes(), memory: { flow: forgetful, request: forgetful } })
  const builders = { flow: new BlockBuilder(kinds.flow), request: new BlockBuilder(kinds.request) }
  const reasons = [...Array.from({ length: 400 }, (_, i) => 1000 + i), 254, 255, 256, 2 ** 32 - 1, 2 ** 31]
  decoder.writeTo(builders.flow, builders.request)
  for (const drop_reason of reasons) {
    const bytes = Buffer.from(
      responseType()
        .encode(responseType().fromObject({ flow: { drop_reason } }))
        .finish(),
    )
    decoder.decode(bytes, 0, bytes.length, received)
  }
  t.deepEqual(new Block(builders.flow.encode(), builders.flow.kind).values('drop_reason'), reasons.map(String))
})

const recordings = join(process.env.WEIR_FIXTURES ?? '../shared/fixtures', 'hubble/encoded')

test('recorded flows decode to what the reference decoder makes of them', async t => {
  const names = await readdir(recordings).catch(() => [])
  if (!names.length) {
    t.log(`no recordings in ${recordings}: skipped`)
    return process.env.CI ? t.fail() : t.pass()
  }
  const { decode, recordsOf } = open()
  for (const name of names) {
    const bytes = await readFile(join(recordings, name))
    for (const message of delimited(bytes)) {
      const { flow, request } = referenceRecords(message, { received, cluster: 'home' })
      decode(message)
      t.deepEqual(recordsOf('flow'), throughBlock('flow', flow))
      t.deepEqual(recordsOf('request'), throughBlock('request', request))
    }
  }
})

function* delimited(bytes: Buffer): Generator<Buffer> {
  let at = 0
  while (at < bytes.length) {
    let length = 0
    for (let shift = 0, byte = 128; byte >= 128; shift += 7) {
      byte = bytes[at++]
      length |= (byte & 127) << shift
    }
    yield bytes.subarray(at, (at += length))
  }
}
