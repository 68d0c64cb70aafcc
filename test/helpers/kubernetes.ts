import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import https from 'node:https'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { freePort, stop } from './hubble-rig.ts'
import { until } from './wait.ts'

const run = promisify(execFile)
const directory = process.env.WEIR_RIGS ?? path.join(homedir(), '.cache/weir-rigs/bin')
const program = (name: string) => path.join(directory, name)

/** Starts a program of the rig; it ends with this process at the latest. */
function begin(name: string, words: readonly string[]): ChildProcess {
  const child = spawn(program(name), words, { stdio: 'ignore' })
  const end = () => void child.kill('SIGKILL')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  return child
}

/** Says whether a real API server is there; without it a test is skipped, and fails where it is required. */
export async function hasApiServer(t: ExecutionContext): Promise<boolean> {
  const missing: string[] = []
  for (const name of ['etcd', 'kube-apiserver']) await access(program(name)).catch(() => missing.push(name))
  if (!missing.length) return true
  t.log(`skipped: no ${missing.join(' and ')} in ${directory}`)
  if (process.env.CI) t.fail()
  else t.pass()
  return false
}

export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; uid?: string; resourceVersion?: string; [more: string]: unknown }
  [more: string]: unknown
}

const mergePatch = 'application/merge-patch+json'

/** A Kubernetes API server with an etcd of its own, without controllers: whoever tests it is all of them. */
export class TestCluster implements AsyncDisposable {
  readonly port: number
  readonly directory: string
  readonly #etcdPort: number
  readonly #ca: Buffer
  readonly #agent = new https.Agent({ keepAlive: true, maxSockets: 24 })
  readonly #flags: readonly string[]
  #etcd: ChildProcess | undefined
  #server: ChildProcess | undefined

  constructor(at: { port: number; etcdPort: number; directory: string; ca: Buffer; flags: readonly string[] }) {
    this.port = at.port
    this.directory = at.directory
    this.#etcdPort = at.etcdPort
    this.#ca = at.ca
    this.#flags = at.flags
  }

  /** A kubeconfig of a user (`admin`, or `reader` without any rights), to the server or to what stands before it on a port. */
  async kubeconfig(user: 'admin' | 'reader', port = this.port): Promise<string> {
    const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': this.#ca.toString('base64') }
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster }],
      users: [{ name: user, user: { token: `${user}-token` } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user } }],
      'current-context': 'test',
    }
    const file = path.join(this.directory, `${user}-${port}.kubeconfig`)
    await writeFile(file, JSON.stringify(config))
    return file
  }

  async startEtcd(): Promise<void> {
    const peers = `http://127.0.0.1:${await freePort()}`
    const clients = `http://127.0.0.1:${this.#etcdPort}`
    const urls = ['--listen-client-urls', clients, '--advertise-client-urls', clients]
    const among = ['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `test=${peers}`]
    const data = ['--name', 'test', '--data-dir', path.join(this.directory, 'etcd'), '--unsafe-no-fsync', '--log-level', 'error']
    this.#etcd = begin('etcd', [...data, ...urls, ...among])
  }

  /** Resolves when the server answers. */
  async startServer(): Promise<void> {
    const at = (name: string) => path.join(this.directory, name)
    const flags = {
      'etcd-servers': `http://127.0.0.1:${this.#etcdPort}`,
      'bind-address': '127.0.0.1',
      'advertise-address': '127.0.0.1',
      'endpoint-reconciler-type': 'none',
      'secure-port': this.port,
      'tls-cert-file': at('server.crt'),
      'tls-private-key-file': at('server.key'),
      'token-auth-file': at('tokens.csv'),
      'authorization-mode': 'RBAC',
      'service-account-key-file': at('sa.key'),
      'service-account-signing-key-file': at('sa.key'),
      'service-account-issuer': 'https://kubernetes.default.svc',
      'service-cluster-ip-range': '10.96.0.0/12',
      'disable-admission-plugins': 'ServiceAccount',
    }
    const given = Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
    this.#server = begin('kube-apiserver', [...given, ...this.#flags])
    const isReady = () =>
      this.ask('GET', '/readyz').then(
        ({ status }) => status === 200,
        () => false,
      )
    await until('the API server', isReady, { everyMs: 100 })
  }

  async killServer(): Promise<void> {
    if (this.#server) await stop(this.#server)
  }

  /** As if etcd had been restored to what it was at the beginning: nothing. */
  async wipe(): Promise<void> {
    await this.killServer()
    if (this.#etcd) await stop(this.#etcd)
    await rm(path.join(this.directory, 'etcd'), { recursive: true, force: true })
    await this.startEtcd()
    await this.startServer()
  }

  /** Forgets the history of all objects: versions from before cannot be watched from any more. */
  async compact(): Promise<void> {
    const ask = async (what: string, body: object) =>
      (await fetch(`http://127.0.0.1:${this.#etcdPort}/v3/kv/${what}`, { method: 'POST', body: JSON.stringify(body) })).json()
    const { header } = (await ask('range', { key: 'AA==', limit: '1', count_only: true })) as { header: { revision: string } }
    await ask('compaction', { revision: header.revision, physical: true })
  }

  async ask(method: string, at: string, body?: object, contentType = 'application/json'): Promise<{ status: number; body: string }> {
    const text = body && JSON.stringify(body)
    const sent = text && { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }
    const headers = { authorization: 'Bearer admin-token', ...sent }
    const request = https.request({ host: '127.0.0.1', port: this.port, path: at, method, headers, ca: this.#ca, agent: this.#agent })
    request.setTimeout(10_000, () => request.destroy(new Error('no answer')))
    request.end(text)
    const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream & { statusCode: number }]
    const chunks = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    return { status: response.statusCode, body: Buffer.concat(chunks).toString('utf8') }
  }

  /** The object as it is then. Rejects unless the server does it. */
  async do<T = KubernetesObject>(method: string, at: string, body?: object, contentType?: string): Promise<T> {
    const answer = await this.ask(method, at, body, contentType)
    if (answer.status >= 300) throw new Error(`${method} ${at}: ${answer.status} ${answer.body.slice(0, 300)}`)
    return JSON.parse(answer.body) as T
  }

  create = (collection: string, body: object) => this.do('POST', collection, body)
  patch = (at: string, body: object) => this.do('PATCH', at, body, mergePatch)
  /** At once, as a kubelet does at the end. */
  delete = (at: string) => this.do('DELETE', at, { gracePeriodSeconds: 0 })
  list = async (collection: string) => (await this.do<{ items: KubernetesObject[] }>('GET', collection)).items

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
    await this.killServer()
    if (this.#etcd) await stop(this.#etcd)
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** Starts an API server with an etcd on free ports. */
export async function openTestCluster(flags: readonly string[] = []): Promise<TestCluster> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-kubernetes-'))
  await makeSecrets(directory)
  const ca = await readFile(path.join(directory, 'ca.crt'))
  const cluster = new TestCluster({ port: await freePort(), etcdPort: await freePort(), directory, ca, flags })
  try {
    await cluster.startEtcd()
    await cluster.startServer()
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
  return cluster
}

async function makeSecrets(directory: string): Promise<void> {
  const at = (name: string) => path.join(directory, name)
  const openssl = (...words: string[]) => run('openssl', words)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await openssl('req', '-x509', ...key, '-days', '2', '-subj', '/CN=test-ca', '-keyout', at('ca.key'), '-out', at('ca.crt'))
  await openssl('req', ...key, '-subj', '/CN=kube-apiserver', '-keyout', at('server.key'), '-out', at('server.csr'))
  await writeFile(at('server.ext'), 'extendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1')
  const signing = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', at('server.ext')]
  await openssl('x509', '-req', '-in', at('server.csr'), ...signing, '-out', at('server.crt'))
  await openssl('genrsa', '-out', at('sa.key'), '2048')
  await writeFile(at('tokens.csv'), 'admin-token,admin,1,"system:masters"\nreader-token,reader,2,"readers"\n')
}
