import { statusNames } from '../grpc/status.ts'

/** The name of a gRPC status given as number or name; nothing for none. */
export function grpcStatusText(status: string): string {
  if (status === '' || status === '-') return ''
  if (!/^\d{1,2}$/.test(status)) return status.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()
  return statusNames[Number(status)] ?? status
}

const serverErrors = new Set(['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'])

/** Whether a status, by its name, says that the server failed, as OpenTelemetry's conventions for servers have it. */
export const isGrpcServerError = (status: string) => serverErrors.has(status)
