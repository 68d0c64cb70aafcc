import { createRequire } from 'node:module'
import { connect as connectTcp, isIP } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { Logger } from '../../log.ts'
import type { Api, Request, Response } from './apis.ts'

/** How a connection to Kafka is made. */
export interface Security {
  /** Asked for each connection, so that certificates which were renewed are used. */
  tls?: () => Promise<ConnectionOptions>
  sasl?: { mechanism: string; username: string; password: string }
}

export interface WireOptions extends Security {
  host: string
  port: number
  clientId: string
  log: Logger
  connectTimeoutMs?: number
  requestTimeoutMs?: number
}

/** One connection to one broker. A broker answers what comes over a connection one after the other. */
export interface Wire {
  isOpen(): boolean
  /** Rejects with what the broker answers when that is an error, or, with `whole`, leaves the codes within the answer to the caller. */
  send<A extends Api>(api: A, request: Request<A>, options?: { whole?: boolean }): Promise<Response<A>>
  close(): void
}

interface Exchange {
  request: { apiKey: number; apiVersion: number; apiName: string; encode(): Promise<unknown> }
  response: { decode(payload: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> }
  requestTimeout?: number | null
}

/** What we use of kafkajs: its connections, authentication and messages, which its documentation does not promise; its version is fixed. */
interface KafkaConnection {
  socket?: { destroy(): void }
  isConnected(): boolean
  connect(): Promise<unknown>
  authenticate(): Promise<void>
  disconnect(): Promise<unknown>
  setVersions(versions: object): void
  setSupportAuthenticationProtocol(supported: boolean): void
  send(exchange: Exchange): Promise<unknown>
  rejectRequests(error: Error): void
}

interface Requests {
  requests: Record<string, { protocol(options: { version: number }): (request?: object) => Exchange }>
  lookup(versions: object): (apiKey: number, definition: unknown) => (request: object) => Exchange
}

interface RequestQueue {
  throttleCheckTimeoutId: NodeJS.Timeout | null
  throttledUntil: number
  pending: unknown[]
  checkPendingRequests(): void
}

const load = createRequire(import.meta.url)
const Connection = load('kafkajs/src/network/connection') as new (options: object) => KafkaConnection
const ConnectionError = (load('kafkajs/src/errors') as { KafkaJSConnectionClosedError: new (text: string, at: object) => Error })
  .KafkaJSConnectionClosedError
const { requests, lookup } = load('kafkajs/src/protocol/requests') as Requests
const apiKeys = load('kafkajs/src/protocol/requests/apiKeys') as Record<string, number>
const { createLogger } = load('kafkajs/src/loggers') as { createLogger(options: object): unknown }
const { createErrorFromCode } = load('kafkajs/src/protocol/error') as { createErrorFromCode(code: number): Error }

/** The error of a code in an answer. */
export const errorOfCode = createErrorFromCode

// kafkajs 2.2.4 asks a thousand times a second whether something is pending, on each connection: ask when something is.
const queue = (load('kafkajs/src/network/requestQueue') as { prototype: RequestQueue & { scheduleCheckPendingRequests(): void } }).prototype
queue.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.throttleCheckTimeoutId || !this.pending.length) return
  const check = () => {
    this.throttleCheckTimeoutId = null
    this.checkPendingRequests()
  }
  this.throttleCheckTimeoutId = setTimeout(check, Math.max(10, this.throttledUntil - Date.now()))
}

/** Its errors reach us as rejections, and are logged where one knows what they keep from working. */
const loggerOf = (log: Logger) =>
  createLogger({
    level: 4,
    logCreator: () => (entry: { log: { message: string; broker?: string } }) =>
      log.debug({ broker: entry.log.broker, what: entry.log.message }, 'kafka client'),
  })

interface SocketOptions {
  host: string
  port: number
  ssl?: ConnectionOptions
  onConnect(): void
}

function openSocket({ host, port, ssl, onConnect }: SocketOptions) {
  const names = isIP(host) ? {} : { servername: host }
  const socket = ssl ? connectTls({ host, port, ...names, ...ssl }, onConnect) : connectTcp({ host, port }, onConnect)
  return socket.setKeepAlive(true, keepAliveMs).setNoDelay(true)
}

const keepAliveMs = 30_000

/** Connects and authenticates. Rejects with the broker's words when it does not want us. */
export async function openWire({
  host,
  port,
  clientId,
  tls,
  sasl,
  log,
  connectTimeoutMs = 5_000,
  requestTimeoutMs = 15_000,
}: WireOptions): Promise<Wire> {
  const connection = new Connection({
    host,
    port,
    clientId,
    ssl: await tls?.(),
    sasl: sasl && { ...sasl },
    logger: loggerOf(log),
    socketFactory: openSocket,
    connectionTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
  })
  await connection.connect()
  const answer = (await connection.send(requests.ApiVersions.protocol({ version: 2 })())) as Versions
  const versions = Object.fromEntries(answer.apiVersions.map(({ apiKey, ...range }) => [apiKey, range]))
  connection.setVersions(versions)
  connection.setSupportAuthenticationProtocol(true)
  await connection.authenticate()
  const find = lookup(versions)
  function close() {
    connection.rejectRequests(new ConnectionError('the connection was closed', { host, port }))
    connection.disconnect().catch(() => {})
    connection.socket?.destroy()
  }
  return {
    isOpen: () => connection.isConnected(),
    close,
    async send(api, request, { whole = false } = {}) {
      const exchange = 'body' in request ? rawExchange(api, request as RawRequest) : find(apiKeys[api], requests[api])(request)
      const response = whole ? { ...exchange.response, parse: async (decoded: unknown) => decoded } : exchange.response
      try {
        return (await connection.send({ ...exchange, response })) as Response<typeof api>
      } catch (error) {
        // Nobody may be at its other end any more.
        if ((error as Error).name === 'KafkaJSRequestTimeoutError') close()
        throw error
      }
    },
  }
}

interface Versions {
  apiVersions: { apiKey: number; minVersion: number; maxVersion: number }[]
}

/** A request we write, and an answer we read, ourselves: where records are, for each byte counts. */
export interface RawRequest {
  version: number
  body: Buffer
  decode(payload: Buffer): unknown
}

function rawExchange(api: string, { version, body, decode }: RawRequest): Exchange {
  return {
    request: { apiKey: apiKeys[api], apiVersion: version, apiName: api, encode: async () => ({ buf: body, buffer: body }) },
    response: { decode: async payload => decode(payload), parse: async decoded => decoded },
  }
}
