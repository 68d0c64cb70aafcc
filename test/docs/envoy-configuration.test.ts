import { execFile } from 'node:child_process'
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { parse } from 'yaml'
import { program } from '../helpers/hubble-rig.ts'

const run = promisify(execFile)
const envoy = process.env.WEIR_ENVOY ?? program('envoy')
const http = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const tcp = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'
const router = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'

/** What one of the examples configures; only those parts that stand in READMEs. */
interface Parts {
  clusters?: readonly object[]
  /** Fields of the HTTP connection manager, of the TCP proxy, of the listener, of the bootstrap. */
  http?: object
  tcp?: object
  listener?: object
  bootstrap?: object
}

const weirCluster = {
  name: 'weir',
  type: 'STATIC',
  load_assignment: {
    cluster_name: 'weir',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: 1 } } } }] }],
  },
}

function bootstrapOf({ clusters = [weirCluster], ...parts }: Parts): object {
  const virtual_hosts = [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'weir' } }] }]
  const http_filters = [{ name: 'envoy.filters.http.router', typed_config: { '@type': router } }]
  const manager = { '@type': http, stat_prefix: 'http', route_config: { virtual_hosts }, http_filters, ...parts.http }
  const proxy = { '@type': tcp, stat_prefix: 'tcp', cluster: 'weir', ...parts.tcp }
  const listener = (name: string, typed_config: object) => ({
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name, typed_config }] }],
    ...parts.listener,
  })
  const listeners = [listener('envoy.filters.network.http_connection_manager', manager), listener('envoy.filters.network.tcp_proxy', proxy)]
  return { node: { id: 'a', cluster: 'b' }, static_resources: { clusters, listeners }, ...parts.bootstrap }
}

async function validated(t: ExecutionContext, parts: Parts): Promise<void> {
  const isThere = await access(envoy).then(
    () => true,
    () => false,
  )
  if (!isThere) {
    t.log(`skipped: no ${envoy}`)
    if (process.env.CI) t.fail()
    else t.pass()
    return
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-envoy-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const file = path.join(directory, 'envoy.json')
  await writeFile(file, JSON.stringify(bootstrapOf(parts)))
  const { stderr, stdout } = await run(envoy, ['--mode', 'validate', '-c', file, '--log-level', 'warning']).catch((error: Error) => {
    throw new Error(error.message.slice(0, 2000))
  })
  t.regex(stdout + stderr, /configuration '.*' OK/)
  t.notRegex(stdout + stderr, /deprecated|unknown field/i)
}

/** The examples of a README in a language, in their order. */
async function examples(source: string, language: string): Promise<string[]> {
  const text = await readFile(`collectors/${source}/README.md`, 'utf8')
  return [...text.matchAll(new RegExp('```' + language + '\\n([^]*?)```', 'g'))].map(([, example]) => example)
}

/** The only one that says this. */
async function exampleWith(source: string, words: string, language = 'yaml'): Promise<string> {
  const found = (await examples(source, language)).filter(example => example.includes(words))
  if (found.length !== 1) throw new Error(`${found.length} examples with ${words} in the README of ${source}`)
  return found[0]
}

interface AnyEnvoy {
  static_resources: { clusters: object[] }
  access_log: { name: string; typed_config: Record<string, unknown> & { common_config: object } }[]
  access_log_options: object
}

test('any Envoy: the cluster, the access log of HTTP, that of TCP and of listeners', async t => {
  const { static_resources, access_log, access_log_options } = parse(await exampleWith('envoy', 'static_resources:')) as AnyEnvoy
  const [{ name, typed_config }] = access_log
  const tcpLog = {
    name: name.replace('http_grpc', 'tcp_grpc'),
    typed_config: { '@type': String(typed_config['@type']).replace('HttpGrpc', 'TcpGrpc'), common_config: typed_config.common_config },
  }
  await validated(t, {
    clusters: static_resources.clusters,
    http: { access_log },
    tcp: { access_log: [tcpLog], access_log_options },
    listener: { access_log: [tcpLog] },
  })
})

test('Consul: the cluster, and the access log of the public listener', async t => {
  const example = await exampleWith('envoy', 'proxy-defaults', 'hcl')
  const [, cluster] = /<<EOL\n([^]*?)\nEOL/.exec(example)!
  const [, value] = /Value = ([^]*?)\n {4}\}\]/.exec(example)!
  const json = value.replaceAll(/("@type"|\w+) = /g, (_, key: string) => `"${key.replaceAll('"', '')}": `).replaceAll(/"\n\s*"/g, '", "')
  await validated(t, { clusters: [JSON.parse(cluster) as object], listener: { access_log: JSON.parse(json) as object[] } })
})

test('OpenTelemetry: spans of Envoy', async t => {
  await validated(t, { http: parse(await exampleWith('otlp', 'envoy.tracers.opentelemetry')) as object })
})

test('Zipkin: spans of Envoy', async t => {
  await validated(t, { http: parse(await exampleWith('zipkin', 'envoy.tracers.zipkin')) as object })
})

test('Metrics: the sink of an Envoy', async t => {
  await validated(t, { bootstrap: parse(await exampleWith('prometheus', 'stats_sinks:')) as object })
})
