import { grpcStatusText, isGrpcServerError } from '../mesh/grpc-status.ts'
import { type Denial, readDenial } from '../mesh/rbac.ts'
import { failureFlags, flagsText } from '../mesh/response-flags.ts'
import type { PolicyFields } from './denial.ts'
import { policyOf } from './denial.ts'

/** What the response flags of a proxy mean. */
export interface Flags {
  /** Whether the proxy could not bring the request to a server, or no answer back. */
  failed: boolean
  /** An external authorization refused it. */
  refused: boolean
  /** No route fits, or of a listener no filter chain. */
  noRoute: boolean
}

export const noFlags: Flags = { failed: false, refused: false, noRoute: false }

export function readFlags(text: string): Flags {
  const codes = flagsText(text).split(',')
  return { failed: codes.some(code => failureFlags.has(code)), refused: codes.includes('UAEX'), noRoute: codes.includes('NR') }
}

/** Why a policy, or what it had asked, refused something. */
export interface Refusal {
  reason: string
  denial?: Denial
}

/** Reads what details say of a refusal: the denial of a policy, or of an external authorization. */
export function readRefusal(details: string): Refusal | undefined {
  const denial = readDenial(details)
  if (denial) return { reason: denial.reason, denial }
  return details === 'ext_authz_denied' || details === 'ext_authz_error' ? { reason: details } : undefined
}

/** The fields of a refusal in a record. */
export function refusalFields({ reason, denial }: Refusal): Partial<PolicyFields> & { drop_reason: string } {
  return denial ? policyOf(denial) : { drop_reason: reason }
}

/** Status of gRPC by name, and whether the server failed. */
export interface Grpc {
  text: string
  failed: boolean
}

export const noGrpc: Grpc = { text: '', failed: false }

export function readGrpc(status: string): Grpc {
  const text = grpcStatusText(status)
  return { text, failed: isGrpcServerError(text) }
}
