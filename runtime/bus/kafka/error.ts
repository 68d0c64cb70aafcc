import { describe } from '../../log.ts'

/** An answer of a broker that says no. `type` is Kafka's name for it. */
export class KafkaError extends Error {
  override name = 'KafkaError'
  readonly type: string

  constructor(type: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.type = type
  }
}

interface ClientError extends NodeJS.ErrnoException {
  type?: string
  retriable?: boolean
}

/** Kafka's name of the error, the system's, or the client's. */
export function typeOf(error: unknown): string {
  const { type, code, name } = error as ClientError
  return type ?? (typeof code === 'string' ? code : name)
}

const connectionErrors = new Set(['KafkaJSConnectionError', 'KafkaJSConnectionClosedError', 'KafkaJSRequestTimeoutError'])

/** Of TLS: a certificate nobody vouches for, or no TLS at all. */
const wrongTls = /^(ERR_SSL|ERR_TLS|EPROTO|DEPTH_ZERO|UNABLE_TO|CERT_|SELF_SIGNED)/

/** Whether the broker, or we, refuse to talk to the other: somebody must change a setting. */
export function isRefused(error: unknown): boolean {
  const { name } = error as Error
  return name === 'KafkaJSSASLAuthenticationError' || wrongTls.test(typeOf(error)) || typeOf(error) === 'UNSUPPORTED_SASL_MECHANISM'
}

/** Of these a repeat may come to another end, though the client says it does not. */
const passingTypes = new Set(['BROKER_NOT_AVAILABLE', 'UNKNOWN', 'ILLEGAL_SASL_STATE', 'REPLICA_NOT_AVAILABLE'])

/** Whether the same request may work a little later: nobody is there, nobody leads, or all are busy. */
export function isPassing(error: unknown): boolean {
  if (isRefused(error) || error instanceof KafkaError) return false
  const { name, retriable, type } = error as ClientError
  return connectionErrors.has(name) || Boolean(type && (retriable || passingTypes.has(type)))
}

/** Whether a request that failed so may have been carried out all the same. */
export function isUncertain(error: unknown): boolean {
  return connectionErrors.has((error as Error).name) || ['REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'].includes(typeOf(error))
}

/** The group has gone on without this member. */
export function isFenced(error: unknown): boolean {
  return ['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID'].includes(typeOf(error))
}

/** The error for people: Kafka's name first, by which it can be looked up. */
export function wordsOf(error: unknown): string {
  const { type } = error as ClientError
  return type && !(error instanceof KafkaError) ? `${type}: ${describe(error)}` : describe(error)
}
