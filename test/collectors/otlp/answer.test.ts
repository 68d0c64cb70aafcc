import test from 'ava'
import { accepted, encodingOf, failed, grpcFailure } from '../../../collectors/otlp/answer.ts'
import { BusyError } from '../../../collectors/otlp/intake.ts'
import { signals } from '../../../collectors/otlp/signals.ts'
import { GrpcError } from '../../../collectors/grpc/status.ts'
import { UndecodableError } from '../../../collectors/protobuf/cursor.ts'
import { Response, RpcStatus } from './proto.ts'

const busy = new BusyError('the bus takes nothing at present')

test('while the bus takes nothing the answer is 503 with Retry-After, or UNAVAILABLE', t => {
  const json = failed(busy, 'application/json')
  t.deepEqual(json, {
    status: 503,
    headers: { 'retry-after': '5', 'content-type': 'application/json' },
    body: '{"code":14,"message":"the bus takes nothing at present"}',
  })
  const proto = failed(busy, 'application/x-protobuf')
  t.is(proto.status, 503)
  t.deepEqual(RpcStatus.toObject(RpcStatus.decode(proto.body as Buffer)), { code: 14, message: busy.message })
  t.is((grpcFailure(busy) as GrpcError).code, 'UNAVAILABLE')
  t.is((grpcFailure(new UndecodableError('x', 1)) as GrpcError).code, 'INVALID_ARGUMENT')
})

test('an error that is nobody’s fault but ours goes on as it is', t => {
  const ours = new TypeError('ours')
  t.is(grpcFailure(ours), ours)
  t.throws(() => failed(ours, 'application/json'), { is: ours })
})

test('each signal says in its own words what was rejected', t => {
  const said = signals.map(signal => accepted({ rejected: 3, message: 'why' }, signal, 'application/json').body)
  t.deepEqual(said, [
    '{"partialSuccess":{"rejectedSpans":"3","errorMessage":"why"}}',
    '{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"why"}}',
    '{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"why"}}',
  ])
  const { body } = accepted({ rejected: 3, message: 'why' }, signals[0], 'application/x-protobuf')
  t.deepEqual(Response.toObject(Response.decode(body as Buffer), { longs: Number }), {
    partialSuccess: { rejected: 3, errorMessage: 'why' },
  })
})

test('a content type is OTLP’s with and without parameters, in any letters', t => {
  t.is(encodingOf('application/JSON; charset=utf-8'), 'application/json')
  t.is(encodingOf('application/x-protobuf'), 'application/x-protobuf')
  for (const other of [undefined, '', 'text/plain', 'application/grpc']) t.is(encodingOf(other), undefined)
})
