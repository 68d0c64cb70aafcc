import { isGrpcServerError } from '../mesh/grpc-status.ts'
import { failureFlags } from '../mesh/response-flags.ts'

/** Digits as a number within 16 bits; 0 for anything else. */
export function wholeNumber(text: string): number {
  return /^\d{1,5}$/.test(text) && Number(text) < 65536 ? Number(text) : 0
}

/** Whether the server failed: as for logs, and where there was no answer by the flags. */
export function isFailure(status: number, grpcStatus: string, flags: string): boolean {
  return status >= 500 || isGrpcServerError(grpcStatus) || (status === 0 && flags.split(',').some(flag => failureFlags.has(flag)))
}
