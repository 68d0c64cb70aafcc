import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import { ConfigError } from '../../runtime/error.ts'
import type { ConfiguredCluster } from './options.ts'

/** The API server answered, and not with what was asked for. */
export class ApiError extends Error {
  override name = 'ApiError'
  /** Status of HTTP, or of an ERROR event of a watch. */
  readonly status: number
  /** What the server asks to wait. */
  readonly retryAfterMs: number

  constructor(status: number, message: string, retryAfterMs = 0) {
    super(`${status} ${message}`)
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

/** A whole answer, and when its first byte came, in milliseconds. */
export interface Answer<T> {
  body: T
  at: number
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** What an answer says of the server's clock: `date` is its second, while it was `asked` to `answered` here; milliseconds. */
export type OnDate = (date: number, asked: number, answered: number) => void

export interface Api extends Disposable {
  get<T>(path: string, query: Query, options: { timeoutMs: number; signal: AbortSignal }): Promise<Answer<T>>
  /**
   * Lines of an answer that goes on, until the server ends it. `onOpen` is called when it begins. Rejects with SilentError when
   * nothing came for `idleMs`.
   */
  lines(path: string, query: Query, options: { idleMs: number; signal: AbortSignal; onOpen(): void }): AsyncIterable<string>
}

/** Nothing came for as long as was allowed. */
export class SilentError extends Error {
  override name = 'SilentError'
}

const mostBytes = 512 << 20
const mostLineBytes = 32 << 20
const mostErrorBytes = 1 << 16
const longestSilenceMs = 30_000
/** A peer that vanished is noticed about 15 seconds later: the system asks once a second from then on, ten times. */
const keepAliveMs = 5000
const tokenFile = '/var/run/secrets/kubernetes.io/serviceaccount/token'
/** Where the library turns when it found nothing. */
const nowhere = 'http://localhost:8080'

/** The API of a cluster, by a kubeconfig or the service account of this pod. Throws ConfigError for what cannot be used. */
export async function openApi(options: ConfiguredCluster, onDate: OnDate = () => {}): Promise<Api> {
  // Loaded where it is used: its models take half a second and tens of megabytes.
  const { KubeConfig } = await import('@kubernetes/client-node')
  let config = load(options, new KubeConfig())
  const agents = new Agents()

  async function open(path: string, query: Query, { idleMs, signal }: { idleMs: number; signal: AbortSignal }) {
    const url = new URL(`${config.getCurrentCluster()!.server.replace(/\/$/, '')}${path}`)
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value))
    const tls: https.RequestOptions = {}
    await config.applyToHTTPSOptions(tls)
    const agent = config.getCurrentCluster()!.proxyUrl ? tls.agent : agents.for(url, tls)
    const asked = Date.now()
    const headers = { ...tls.headers, accept: 'application/json', 'user-agent': 'weir' }
    const request = (url.protocol === 'http:' ? http : https).request(url, { auth: tls.auth, headers, agent, signal })
    const response = await answered(request, idleMs)
    const date = Date.parse(response.headers.date ?? '')
    if (Number.isFinite(date)) onDate(date, asked, Date.now())
    if (response.statusCode === 200) return response
    const error = await errorOf(response)
    // Certificates and tokens of a file are renewed in the file.
    if (error.status === 401) config = reload(options, config, () => new KubeConfig())
    throw error
  }

  return {
    async get<T>(path: string, query: Query, { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }) {
      const response = await open(path, query, { idleMs: timeoutMs, signal })
      const at = Date.now()
      return { body: JSON.parse(await textOf(response, { idleMs: timeoutMs, most: mostBytes })) as T, at }
    },
    async *lines(path, query, { idleMs, signal, onOpen }) {
      const response = await open(path, query, { idleMs, signal })
      onOpen()
      yield* linesOf(chunksOf(response, idleMs))
    },
    [Symbol.dispose]: () => agents.destroy(),
  }
}

function load({ kubeconfig, context, setting }: ConfiguredCluster, config: KubeConfig): KubeConfig {
  try {
    if (kubeconfig) config.loadFromFile(kubeconfig)
    else if (process.env.KUBERNETES_SERVICE_HOST && existsSync(tokenFile)) config.loadFromCluster()
    else config.loadFromDefault()
  } catch (error) {
    const got = kubeconfig ? `, got ${JSON.stringify(kubeconfig)}` : ''
    // Errors of YAML go on with what stands in the file: it is a secret.
    const [reason] = (error instanceof Error ? error.message : '').split('\n')
    throw new ConfigError(`${setting}.kubeconfig: expected a kubeconfig file${got}: ${reason}`)
  }
  if (context) config.setCurrentContext(context)
  const found = config.getCurrentCluster()
  if (found && !(found.server === nowhere && !kubeconfig)) return config
  if (context || kubeconfig) {
    const known = config.getContexts().map(({ name }) => name)
    const expected = `one of ${known.join(', ') || 'the contexts of a kubeconfig'}`
    throw new ConfigError(`${setting}.context: expected ${expected}, got ${JSON.stringify(config.getCurrentContext() ?? '')}`)
  }
  throw new ConfigError(`${setting}.kubeconfig: expected a kubeconfig file, for this is no pod with a service account, got nothing`)
}

/** As it is now, or as it was where it cannot be read any more. */
function reload(options: ConfiguredCluster, before: KubeConfig, empty: () => KubeConfig): KubeConfig {
  try {
    return load(options, empty())
  } catch {
    return before
  }
}

/** Connections that are used again, of their own for each set of certificates. */
class Agents {
  #key = ''
  #agent: http.Agent | undefined

  for(url: URL, { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized }: https.RequestOptions): http.Agent {
    const tls = { ca, cert, key, pfx, passphrase, servername, ...(rejectUnauthorized !== undefined && { rejectUnauthorized }) }
    const now = createHash('sha256')
      .update(JSON.stringify([url.protocol, tls]))
      .digest('base64')
    if (this.#agent && this.#key === now) return this.#agent
    this.#agent?.destroy()
    this.#key = now
    const options = { keepAlive: true, keepAliveMsecs: keepAliveMs, maxFreeSockets: 8 }
    return (this.#agent = url.protocol === 'http:' ? new http.Agent(options) : new https.Agent({ ...options, ...tls }))
  }

  destroy(): void {
    this.#agent?.destroy()
  }
}

/** The answer, once it begins. */
async function answered(request: http.ClientRequest, idleMs: number): Promise<http.IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>()
  const mostMs = Math.min(idleMs, longestSilenceMs)
  const timer = setTimeout(() => request.destroy(new SilentError(`no answer within ${mostMs} ms`)), mostMs)
  request.on('socket', socket => socket.setKeepAlive(true, keepAliveMs))
  request.on('error', reject)
  request.on('response', resolve)
  request.end()
  return promise.finally(() => clearTimeout(timer))
}

/** What comes of an answer, until its end or until nothing came for `idleMs`. Time that the reader takes does not count. */
async function* chunksOf(response: http.IncomingMessage, idleMs: number): AsyncIterable<Buffer> {
  const iterator = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  try {
    for (;;) {
      const timer = setTimeout(() => response.destroy(new SilentError(`nothing came for ${idleMs} ms`)), idleMs)
      const { done, value } = await iterator.next().finally(() => clearTimeout(timer))
      if (done) return
      yield value
    }
  } finally {
    response.destroy()
  }
}

async function textOf(response: http.IncomingMessage, { idleMs, most }: { idleMs: number; most: number }): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunksOf(response, idleMs)) {
    bytes += chunk.length
    if (bytes > most) throw new Error(`an answer of more than ${most} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function errorOf(response: http.IncomingMessage): Promise<ApiError> {
  const status = response.statusCode ?? 0
  const text = await textOf(response, { idleMs: longestSilenceMs, most: mostErrorBytes }).catch(() => '')
  const retryAfterMs = 1000 * (Number(response.headers['retry-after']) || 0)
  return new ApiError(status, messageOf(text) || http.STATUS_CODES[status] || 'an error', retryAfterMs)
}

/** A Status of Kubernetes says it in `message`. */
function messageOf(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: string }).message ?? '')
  } catch {
    return ''
  }
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncIterable<string> {
  let parts: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end))
      yield (parts.length === 1 ? parts[0] : Buffer.concat(parts)).toString('utf8')
      parts = []
      bytes = 0
      start = end + 1
    }
    parts.push(chunk.subarray(start))
    bytes += chunk.length - start
    if (bytes > mostLineBytes) throw new Error(`an event of more than ${mostLineBytes} bytes`)
  }
}
