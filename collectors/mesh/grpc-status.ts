import { statusNames } from '../grpc/status.ts'

/** The name of a gRPC status given as number or name; nothing for none. */
export function grpcStatusText(status: string): string {
  if (status === '' || status === '-') return ''
  if (!/^\d{1,2}$/.test(status)) return status.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()
  return statusNames[Number(status)] ?? status
}
