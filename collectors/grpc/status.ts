import type { IncomingHttpHeaders } from 'node:http2'

/** gRPC's status codes by number. */
export const statusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const
export type StatusName = (typeof statusNames)[number]

/** A call that did not end well. */
export class GrpcError extends Error {
  override name = 'GrpcError'
  readonly code: StatusName

  constructor(code: StatusName, message: string, options?: ErrorOptions) {
    super(message ? `${code}: ${message}` : code, options)
    this.code = code
  }
}

/** What HTTP statuses mean when no gRPC server answered (gRPC's http-grpc-status-mapping). */
const httpStatuses: Readonly<Record<number, StatusName>> = {
  400: 'INTERNAL',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'UNIMPLEMENTED',
  429: 'UNAVAILABLE',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
}

/** How a call ended, out of its trailers or, when it had nothing but headers, these. Nothing when all is well. */
export function failureOf(headers: IncomingHttpHeaders | undefined, trailers: IncomingHttpHeaders | undefined): GrpcError | undefined {
  const said = trailers?.['grpc-status'] !== undefined ? trailers : headers
  const status = said?.['grpc-status']
  if (status !== undefined) {
    const code = statusNames[Number(status)] ?? 'UNKNOWN'
    return code === 'OK' ? undefined : new GrpcError(code, percentDecoded(String(said?.['grpc-message'] ?? '')))
  }
  const http = Number(headers?.[':status'])
  if (http && http !== 200) return new GrpcError(httpStatuses[http] ?? 'UNKNOWN', `HTTP status ${http}`)
  return new GrpcError('UNAVAILABLE', 'the call ended without a status')
}

/** What is no valid escape stays as it is. */
export function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, run => Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'))
}
