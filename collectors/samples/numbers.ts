import { failureFlags } from '../mesh/response-flags.ts'

/** Digits as a number within 16 bits; 0 for anything else. */
export function wholeNumber(text: string): number {
  return /^\d{1,5}$/.test(text) && Number(text) < 65536 ? Number(text) : 0
}

/** Statuses of gRPC that say the server failed, as OpenTelemetry's conventions have them for servers. */
const failures = new Set(['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'])

/** Whether the server failed: as for logs, and where there was no answer by the flags. */
export function isFailure(status: number, grpcStatus: string, flags: string): boolean {
  return status >= 500 || failures.has(grpcStatus) || (status === 0 && flags.split(',').some(flag => failureFlags.has(flag)))
}
