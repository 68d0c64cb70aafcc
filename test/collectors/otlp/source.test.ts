import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync, deflateSync, zstdCompressSync } from 'node:zlib'
import { Client, Metadata, credentials } from '@grpc/grpc-js'
import test from 'ava'
import { BusyError, Intake } from '../../../collectors/otlp/intake.ts'
import { defaultLimits, type OtlpOptions } from '../../../collectors/otlp/options.ts'
import { otlp } from '../../../collectors/otlp/source.ts'
import { TraceTaker } from '../../../collectors/otlp/traces.ts'
import type { Bus } from '../../../runtime/bus/bus.ts'
import { openTestBus } from '../../helpers/bus.ts'
import { until } from '../../helpers/wait.ts'
import { deadLetters, published, start } from '../hubble/running.ts'
import { collecting } from './collecting.ts'
import { LogsRequest, MetricsRequest, Response, RpcStatus, TraceRequest, attributes, encoded } from './proto.ts'

const ids = { traceId: Buffer.alloc(16, 1), spanId: Buffer.alloc(8, 2) }
const traces = (...spans: object[]) =>
  encoded(TraceRequest, { resourceSpans: [{ scopeSpans: [{ spans: spans.map(span => ({ ...ids, ...span })) }] }] })
const logs = encoded(LogsRequest, {
  resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'hello' } }, { body: { stringValue: 'there' } }] }] }],
})
const metrics = encoded(MetricsRequest, {
  resourceMetrics: [
    {
      scopeMetrics: [
        { metrics: [{ name: 'x', gauge: { dataPoints: [1, 2, 3].map(asInt => ({ asInt, attributes: attributes({ asInt }) })) } }] },
      ],
    },
  ],
})

async function open(options: OtlpOptions = {}) {
  const running = await openTestBus()
  const source = start(otlp, { ...options, grpc: { port: 0, ...options.grpc }, http: { port: 0, ...options.http } }, running.bus)
  await until('the ports', () => source.statuses.length > 0)
  const ports = source.statuses[0].detail as { grpc_port: number; http_port: number }
  const client = new Client(`127.0.0.1:${ports.grpc_port}`, credentials.createInsecure())
  return {
    source,
    bus: running.bus,
    post: (path: string, body: Uint8Array | string, headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${ports.http_port}${path}`, {
        method: 'POST',
        body: body as string,
        headers: { 'content-type': 'application/x-protobuf', ...headers },
      }),
    call: (service: string, body: Buffer, { gzip = false, token = '' } = {}) =>
      new Promise<{ body?: Buffer; code: number; message: string }>(resolve => {
        const path = `/opentelemetry.proto.collector.${service.toLowerCase()}.v1.${service}Service/Export`
        const metadata = new Metadata()
        if (token) metadata.set('authorization', `Bearer ${token}`)
        if (gzip) metadata.set('grpc-internal-encoding-request', 'gzip')
        client.makeUnaryRequest(path, same, same, body, metadata, (error, answer) =>
          resolve({ body: answer, code: error?.code ?? 0, message: error?.details ?? '' }),
        )
      }),
    async [Symbol.asyncDispose]() {
      client.close()
      await source[Symbol.asyncDispose]()
      await running[Symbol.asyncDispose]()
    },
  }
}

const same = (bytes: Buffer) => bytes

test('takes all three signals over gRPC, compressed too, and answers when they are durable', async t => {
  await using to = await open()
  for (const gzip of [false, true]) {
    const { body, code } = await to.call('Trace', traces({ name: `a ${gzip}`, attributes: attributes({ k: 'x'.repeat(1000) }) }), { gzip })
    t.is(code, 0)
    t.is(body?.length, 0)
  }
  t.is((await published(to.bus, 'span')).length, 2)
  t.is((await to.call('Logs', logs)).code, 0)
  t.is((await to.call('Metrics', metrics)).code, 0)
  t.deepEqual([...to.source.discarded], [['unknown_kind', 2]])
  t.deepEqual(
    (await published(to.bus, 'sample')).map(({ source, metric, type, value }) => [source, metric, type, value]),
    [1, 2, 3].map(value => ['otlp', 'x', 'gauge', value]),
  )
})

test('takes all three over HTTP, in protobuf and JSON, in any encoding', async t => {
  await using to = await open()
  const body = (name: string) => traces({ name })
  const bodies: [Buffer | string, Record<string, string>][] = [
    [body('a'), {}],
    [gzipSync(body('b')), { 'content-encoding': 'gzip' }],
    [deflateSync(body('c')), { 'content-encoding': 'deflate' }],
    [zstdCompressSync(body('d')), { 'content-encoding': 'zstd' }],
    [
      '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174"}]}]}]}',
      { 'content-type': 'application/json; charset=utf-8' },
    ],
  ]
  for (const [sent, headers] of bodies) {
    const answer = await to.post('/v1/traces', sent, headers)
    t.is(answer.status, 200)
    const isJson = headers['content-type'] !== undefined
    t.is(answer.headers.get('content-type'), isJson ? 'application/json' : 'application/x-protobuf')
    t.is(await answer.text(), isJson ? '{}' : '')
  }
  t.is((await published(to.bus, 'span')).length, 5)
  t.is((await to.post('/v1/logs', logs)).status, 200)
  t.is((await to.post('/v1/metrics', metrics)).status, 200)
})

test('says how many spans it did not take, and why', async t => {
  await using to = await open()
  const body = (name: string) => traces({ name }, { traceId: Buffer.alloc(2) }, { spanId: Buffer.alloc(0) })
  const expected = { partialSuccess: { rejected: '2', errorMessage: 'a span has no trace id of 16 bytes or no span id of 8' } }
  const plain = (bytes: Uint8Array) => Response.toObject(Response.decode(bytes), { longs: String })
  t.deepEqual(plain((await to.call('Trace', body('a'))).body!), expected)
  t.deepEqual(plain(new Uint8Array(await (await to.post('/v1/traces', body('b'))).arrayBuffer())), expected)
  const json = await to.post('/v1/traces', '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}', {
    'content-type': 'application/json',
  })
  t.deepEqual(await json.json(), { partialSuccess: { rejectedSpans: '1', errorMessage: expected.partialSuccess.errorMessage } })
  t.is((await published(to.bus, 'span')).length, 2)
})

test('what is no export is refused in the words of the protocol, and kept', async t => {
  await using to = await open()
  const broken = traces({ name: 'a' }).subarray(0, 20)
  const { code, message } = await to.call('Trace', broken)
  t.is(code, 3)
  t.regex(message, /bytes expected/)
  const answer = await to.post('/v1/traces', broken)
  t.is(answer.status, 400)
  t.is(answer.headers.get('content-type'), 'application/x-protobuf')
  t.like(RpcStatus.toObject(RpcStatus.decode(new Uint8Array(await answer.arrayBuffer()))), { code: 3 })
  const json = await to.post('/v1/traces', '{"resourceSpans":3}', { 'content-type': 'application/json' })
  t.is(json.status, 400)
  t.deepEqual(await json.json(), { code: 3, message: 'expected a list of resourceSpans, got 3 at byte 0' })
  t.deepEqual([...to.source.discarded], [['undecodable', 3]])
  t.is((await published(to.bus, 'span')).length, 0)
  await until('the dead letters', async () => (await deadLetters(to.bus)).length === 3)
  t.is((await to.post('/v1/traces', 'x', { 'content-type': 'text/plain' })).status, 415)
  t.is((await to.post('/v1/profiles', 'x')).status, 404)
  const unknown = await to.call('Profiles', broken)
  t.is(unknown.code, 12)
})

test('what is too large is refused, before and after it is decompressed', async t => {
  await using to = await open({ grpc: { max_message_bytes: 2000 }, http: { max_message_bytes: 2000 } })
  const large = traces({ name: 'a', attributes: attributes({ k: 'x'.repeat(5000) }) })
  t.is((await to.call('Trace', large)).code, 8)
  t.is((await to.call('Trace', large, { gzip: true })).code, 8)
  const sent = [await to.post('/v1/traces', large), await to.post('/v1/traces', gzipSync(large), { 'content-encoding': 'gzip' })]
  for (const answer of sent) {
    t.is(answer.status, 413)
    t.like(RpcStatus.toObject(RpcStatus.decode(new Uint8Array(await answer.arrayBuffer()))), {
      code: 8,
      message: 'a message of more than 2000 bytes',
    })
  }
  const broken = await to.post('/v1/traces', 'x', { 'content-encoding': 'gzip' })
  t.is(broken.status, 400)
  t.is((await to.call('Trace', traces({ name: 'a' }))).code, 0)
})

test('only who has a token may send, over either', async t => {
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'weir-otlp-')), 'tokens')
  t.teardown(() => rm(path.dirname(file), { recursive: true }))
  await writeFile(file, 'swordfish\n')
  await using to = await open({ grpc: { token_file: file }, http: { token_file: file } })
  t.is((await to.call('Trace', traces({ name: 'a' }))).code, 16)
  t.is((await to.post('/v1/traces', traces({ name: 'a' }))).status, 401)
  t.is((await to.call('Trace', traces({ name: 'a' }), { token: 'swordfish' })).code, 0)
  t.is((await to.post('/v1/traces', traces({ name: 'b' }), { authorization: 'Bearer swordfish' })).status, 200)
  t.is((await published(to.bus, 'span')).length, 2)
})

test('an export that is sent again is answered as the first was, and not stored twice', async t => {
  await using to = await open()
  const body = traces({ name: 'a' }, { traceId: Buffer.alloc(2) })
  const plain = (bytes: Uint8Array) => Response.toObject(Response.decode(bytes), { longs: String })
  const first = plain((await to.call('Trace', body)).body!)
  t.like(first, { partialSuccess: { rejected: '1' } })
  t.deepEqual(plain((await to.call('Trace', body, { gzip: true })).body!), first)
  t.deepEqual(plain(new Uint8Array(await (await to.post('/v1/traces', body)).arrayBuffer())), first)
  t.is((await published(to.bus, 'span')).length, 1)
  t.is(to.source.discarded.get('repeated'), 2)
  t.is((await to.call('Logs', logs)).code, 0)
  t.is((await to.call('Metrics', metrics)).code, 0)
  t.is((await to.call('Metrics', metrics)).code, 0)
  t.is((await published(to.bus, 'sample')).length, 3)
  t.is(to.source.discarded.get('repeated'), 3)
})

test('exports without anything in them are no repeats', async t => {
  await using to = await open()
  for (let i = 0; i < 3; i++) t.is((await to.call('Trace', Buffer.alloc(0))).code, 0)
  t.deepEqual([...to.source.discarded], [])
})

test('many senders at once are all answered, and nothing is lost or doubled', async t => {
  await using to = await open()
  const sent = Array.from({ length: 40 }, (_, i) => traces(...Array.from({ length: 50 }, (_, j) => ({ name: `${i}-${j}` }))))
  const answers = await Promise.all(sent.map((body, i) => (i % 2 ? to.call('Trace', body) : to.post('/v1/traces', body))))
  t.true(answers.every(answer => ('status' in answer ? answer.status === 200 : answer.code === 0)))
  const names = (await published(to.bus, 'span')).map(({ name }) => name as string)
  t.is(names.length, 2000)
  t.is(new Set(names).size, 2000)
})

test('while the bus takes nothing senders are told to come again, and nothing more is taken of them', async t => {
  await using running = await openTestBus()
  const gate = Promise.withResolvers<void>()
  const held = new Proxy(running.bus, {
    get: (bus, name: keyof Bus) =>
      name === 'publish'
        ? async (...args: Parameters<Bus['publish']>) => {
            await gate.promise
            return bus.publish(...args)
          }
        : Reflect.get(bus, name),
  })
  await using to = collecting(held)
  const taker = new TraceTaker({ limits: defaultLimits, cluster: '', source: 'otlp' }, to.context)
  const intake = new Intake({ source: 'otlp', patienceMs: 100 }, to.context)
  for (let i = 0; i < 2; i++) await t.throwsAsync(intake.accept(taker, traces({ name: 'late' }), 'a'), { instanceOf: BusyError })
  await t.throwsAsync(intake.accept(taker, traces({ name: 'never' }), 'a'), { instanceOf: BusyError })
  gate.resolve()
  await to.context.outbox.flush()
  await until('the bus', async () => {
    try {
      return (await intake.accept(taker, traces({ name: 'after' }), 'a')).rejected === 0
    } catch {
      return false
    }
  })
  t.is((await intake.accept(taker, traces({ name: 'late' }), 'a')).rejected, 0)
  const names = (await published(running.bus, 'span')).map(({ name }) => name)
  t.is(names.filter(name => name === 'late').length, 1)
  t.false(names.includes('never'))
  t.true(names.includes('after'))
})
