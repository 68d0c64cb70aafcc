import { GrpcError, type StatusName, statusNames } from '../grpc/status.ts'
import type { Answer } from '../listen/http.ts'
import { Encoder } from '../protobuf/encoder.ts'
import { UndecodableError } from '../protobuf/cursor.ts'
import { BusyError } from './intake.ts'
import type { Signal } from './signals.ts'
import type { Outcome } from './taker.ts'

export type Encoding = 'application/x-protobuf' | 'application/json'

const retryAfter = { 'retry-after': '5' }

/** How the body of a request is encoded, by its Content-Type; undefined for one that is not OTLP's. */
export function encodingOf(contentType: string | undefined): Encoding | undefined {
  const type = contentType?.split(';')[0].trim().toLowerCase()
  return type === 'application/x-protobuf' || type === 'application/json' ? type : undefined
}

/** Export…ServiceResponse{partial_success 1{rejected_… 1, error_message 2}}. */
export function responseBytes({ rejected, message }: Outcome): Buffer {
  const encoder = new Encoder()
  if (rejected) {
    const start = encoder.begin(1)
    encoder.varint(1, BigInt(rejected))
    encoder.text(2, message)
    encoder.end(start)
  }
  return encoder.finish()
}

export function accepted(outcome: Outcome, signal: Signal, encoding: Encoding): Answer {
  const { rejected, message } = outcome
  const body =
    encoding === 'application/x-protobuf'
      ? responseBytes(outcome)
      : JSON.stringify(rejected ? { partialSuccess: { [signal.rejected]: String(rejected), errorMessage: message } } : {})
  return { status: 200, headers: { 'content-type': encoding }, body }
}

/** An answer that says no, as google.rpc.Status{code 1, message 2} in the encoding of the request. */
export function refusal(answer: Answer, message: string, contentType: string | undefined): Answer {
  const encoding = encodingOf(contentType)
  if (!encoding) return answer
  const code = statusNames.indexOf(codeOfHttp[answer.status] ?? 'UNKNOWN')
  return { ...answer, headers: { ...answer.headers, 'content-type': encoding }, body: statusBody(code, message, encoding) }
}

const codeOfHttp: Readonly<Record<number, StatusName>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  404: 'UNIMPLEMENTED',
  405: 'UNIMPLEMENTED',
  413: 'RESOURCE_EXHAUSTED',
  415: 'INVALID_ARGUMENT',
  503: 'UNAVAILABLE',
}

function statusBody(code: number, message: string, encoding: Encoding): string | Buffer {
  if (encoding === 'application/json') return JSON.stringify({ code, message })
  const encoder = new Encoder()
  encoder.varint(1, BigInt(code))
  encoder.text(2, message)
  return encoder.finish()
}

/** What senders over HTTP are told of an error; what is none of theirs is thrown on. */
export function failed(error: unknown, encoding: Encoding): Answer {
  const answer = (status: number, message: string, headers = {}) => refusal({ status, headers }, message, encoding)
  if (error instanceof UndecodableError) return answer(400, error.message)
  if (error instanceof BusyError) return answer(503, error.message, retryAfter)
  throw error
}

/** The same for gRPC. */
export function grpcFailure(error: unknown): unknown {
  if (error instanceof UndecodableError) return new GrpcError('INVALID_ARGUMENT', error.message)
  if (error instanceof BusyError) return new GrpcError('UNAVAILABLE', error.message)
  return error
}
