import { statusNames } from '../grpc/status.ts'

/** Digits as a number within 16 bits; 0 for anything else. */
export function wholeNumber(text: string): number {
  return /^\d{1,5}$/.test(text) && Number(text) < 65536 ? Number(text) : 0
}

/** The name of a status of gRPC that is given as its number. */
export const grpcStatusName = (text: string) => (/^\d{1,2}$/.test(text) && statusNames[Number(text)]) || text

/** Statuses of gRPC that say the server failed, as OpenTelemetry's conventions have them for servers. */
const failures = new Set(['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'])

export const isFailure = (status: number, grpcStatus: string) => status >= 500 || failures.has(grpcStatus)
