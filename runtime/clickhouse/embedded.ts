import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Logger } from '../log.ts'
import { type Passwords, writeConfig } from './embedded-config.ts'
import { answers } from './answers.ts'
import { lockDirectory, untilUnshared } from './lock.ts'
import { claimPort, freePort } from './ports.ts'

export type EmbeddedStatus = 'starting' | 'ready' | 'restarting' | 'stopped'

/** A ClickHouse server that is a child of this process and stays at the same address as long as this lives. */
export interface EmbeddedClickHouse extends AsyncDisposable {
  /** Address with user and password of who may do everything. */
  readonly url: string
  /** Address with user and password of who may select from the records. */
  readonly readerUrl: string
  readonly httpPort: number
  readonly status: EmbeddedStatus
  /** Process of the server; another after each restart. */
  readonly pid: number | undefined
  /** Resolves when the server answers; rejects when it is stopped. */
  ready(): Promise<void>
  /** Lets this process end although the server runs; the server ends with it. */
  unref(): void
}

export interface EmbeddedOptions {
  dataDir: string
  log: Logger
  httpPort?: number
  /** What the reader may select from, as a grant says it. */
  readable?: string
  /**
   * Makes it a server of a cluster: a port of ClickHouse's own protocol, on which its starting user is let in without a password, and
   * more configuration as XML.
   */
  cluster?: { tcpPort: number; config: string }
  startTimeoutMs?: number
  onStatus?: (status: EmbeddedStatus) => void
}

const child = fileURLToPath(new URL('embedded-child.ts', import.meta.url))
const stopTimeoutMs = 15_000
const longestPauseMs = 10_000

/** Starts a server over `dataDir`, or throws when it can not be. A server that dies later is started again on the same ports. */
export async function openEmbeddedClickHouse(options: EmbeddedOptions): Promise<EmbeddedClickHouse> {
  const directory = path.resolve(options.dataDir)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  await using stack = new AsyncDisposableStack()
  stack.use(lockDirectory(directory))
  await untilUnshared(directory)
  const passwords = writeConfig(directory, { readable: options.readable ?? 'weir.*', more: options.cluster?.config })
  const server = stack.use(await startOnPorts(directory, passwords, options))
  void server.supervise()
  const held = stack.move()
  return {
    get status() {
      return server.status
    },
    get pid() {
      return server.pid
    },
    url: server.urlOf('weir'),
    readerUrl: server.urlOf('reader'),
    httpPort: server.httpPort,
    ready: () => server.ready(),
    unref: () => server.unref(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** A free port can be lost to somebody else before the server has it: then it is tried with others. */
async function startOnPorts(directory: string, passwords: Passwords, options: EmbeddedOptions): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const httpPort = options.httpPort
      ? await claimPort(options.httpPort, 'clickhouse.http_port', 'WEIR_CLICKHOUSE_HTTP_PORT')
      : await freePort()
    const server = new Server({ directory, passwords, httpPort, options })
    try {
      await server.start()
      return server
    } catch (error) {
      await server[Symbol.asyncDispose]()
      if (attempt === 3 || options.httpPort) throw error
      options.log.warn({ error, httpPort }, 'embedded ClickHouse did not start, trying again')
    }
  }
}

class Server implements AsyncDisposable {
  readonly httpPort: number
  status: EmbeddedStatus = 'starting'
  readonly #directory: string
  readonly #passwords: Passwords
  readonly #options: EmbeddedOptions
  readonly #stopping = new AbortController()
  #process: ChildProcess | undefined
  #exited: Promise<string> = Promise.resolve('not started')
  #lastWords = ''
  #refed = true
  #waiting: PromiseWithResolvers<void>[] = []
  #supervised: Promise<void> | undefined

  constructor(own: { directory: string; passwords: Passwords; httpPort: number; options: EmbeddedOptions }) {
    this.#directory = own.directory
    this.#passwords = own.passwords
    this.httpPort = own.httpPort
    this.#options = own.options
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  urlOf(user: keyof Passwords): string {
    return `http://${user}:${this.#passwords[user]}@127.0.0.1:${this.httpPort}`
  }

  /** One start; resolves when the server answers. */
  async start(): Promise<void> {
    this.#spawn()
    const deadline = AbortSignal.timeout(this.#options.startTimeoutMs ?? 60_000)
    let exit: string | undefined
    void this.#exited.then(reason => (exit = reason))
    while (!(await this.#answers())) {
      if (exit !== undefined) throw new Error(`embedded ClickHouse ended at its start (${exit}): ${this.#lastWords.trim()}`)
      if (deadline.aborted)
        throw new Error(`embedded ClickHouse does not answer on port ${this.httpPort}: see ${this.#directory}/server.log`)
      await sleep(25, undefined, { ref: this.#refed })
    }
    this.#enter('ready')
  }

  /** Starts the server again, after growing pauses, whenever it ends. */
  supervise(): Promise<void> {
    this.#supervised ??= this.#keepRunning()
    return this.#supervised
  }

  async #keepRunning(): Promise<void> {
    const { log } = this.#options
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      const startedAt = Date.now()
      const reason = await this.#exited
      if (this.#stopping.signal.aborted) return
      if (Date.now() - startedAt > longestPauseMs) pauseMs = 50
      this.#enter('restarting')
      log.error({ reason, lastWords: this.#lastWords.trim() || undefined }, 'embedded ClickHouse ended, starting it again')
      await sleep(pauseMs, undefined, { signal: this.#stopping.signal, ref: this.#refed }).catch(() => {})
      if (this.#stopping.signal.aborted) return
      await this.start().then(
        () => log.info({ pid: this.pid }, 'embedded ClickHouse is back'),
        (error: unknown) => log.error({ error }, 'embedded ClickHouse does not start'),
      )
    }
  }

  #spawn(): void {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#exited = promise
    this.#lastWords = ''
    // Its own process group: Ctrl-C is for us, and we stop it after what still writes to it. It stops itself when its standard input ends.
    const started = spawn(process.execPath, [child, this.#directory, ...this.#args()], {
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
    })
    started.on('error', error => resolve(error.message))
    started.on('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    started.stdin!.on('error', () => {})
    started.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#lastWords = (this.#lastWords + text).slice(-2000)))
    this.#process = started
    if (!this.#refed) this.unref()
  }

  #args(): string[] {
    const { cluster } = this.#options
    return [
      `--path=${this.#directory}/store`,
      `--config-file=${this.#directory}/config.xml`,
      `--http_port=${this.httpPort}`,
      ...(cluster ? [`--tcp_port=${cluster.tcpPort}`] : []),
      '--listen_host=127.0.0.1',
      '--log-level=warning',
      '--input-format=LineAsString',
      '--output-format=CSV',
      // The last statement waits for the end of standard input.
      `--query=SYSTEM START LISTEN HTTP; ${cluster ? 'SYSTEM START LISTEN TCP; ' : ''}SELECT count() FROM table`,
    ]
  }

  /** Whether the server that answers is ours: it knows our password. */
  #answers(): Promise<boolean> {
    return answers(`${this.urlOf('weir')}/?query=SELECT+1`)
  }

  #enter(status: EmbeddedStatus): void {
    if (this.status === 'stopped') return
    this.status = status
    this.#options.onStatus?.(status)
    if (status === 'ready') for (const { resolve } of this.#waiting.splice(0)) resolve()
    if (status === 'stopped') for (const { reject } of this.#waiting.splice(0)) reject(new Error('embedded ClickHouse is stopped'))
  }

  ready(): Promise<void> {
    if (this.status === 'ready') return Promise.resolve()
    const waiting = Promise.withResolvers<void>()
    this.#waiting.push(waiting)
    if (this.status === 'stopped') this.#waiting.pop()!.reject(new Error('embedded ClickHouse is stopped'))
    return waiting.promise
  }

  unref(): void {
    this.#refed = false
    this.#process?.unref()
    for (const stream of [this.#process?.stdin, this.#process?.stderr]) (stream as unknown as { unref(): void } | undefined)?.unref()
  }

  /** Asks the server to stop, and makes it when it takes too long. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort()
    const stopping = this.#process
    stopping?.stdin?.end()
    const timer = setTimeout(() => stopping?.kill('SIGKILL'), stopTimeoutMs)
    await this.#exited
    clearTimeout(timer)
    await this.#supervised
    this.#enter('stopped')
  }
}
