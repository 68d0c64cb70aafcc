import { parseArgs } from 'node:util'
import type { LineContext } from '../../collectors/access_log/line.ts'
import { openLineReader } from '../../collectors/access_log/reader.ts'
import { BlockBuilder } from '../../runtime/block/builder.ts'
import { type KindName, kinds } from '../../schema/record.ts'
import { randomNumbers } from './random.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '4' } } })
const lineCount = 40_000
const next = randomNumbers(7)
const pick = (count: number) => Math.floor(next() * count)

/** Lines of a busy sidecar: a dozen services, a hundred paths and pods, everything else new in each. */
function lineOf(index: number): string {
  const service = `service-${pick(12)}`
  const pod = `10.244.${pick(4)}.${pick(200) + 1}`
  const time = new Date(1_795_249_190_000 + index * 3).toISOString()
  const hex = (digits: number) => Array.from({ length: digits }, () => pick(16).toString(16)).join('')
  const id = `${hex(8)}-${hex(4)}-9${hex(3)}-a${hex(3)}-${hex(12)}`
  const latency = pick(200)
  const status = [200, 200, 200, 204, 404, 503][pick(6)]
  return (
    `[${time}] "GET /api/v1/items/${pick(100)}?page=${pick(9)} HTTP/1.1" ${status} - via_upstream - "-" 0 ${pick(20_000)} ${latency} ${latency} "-" ` +
    `"Mozilla/5.0 (X11; Linux x86_64) Gecko/${pick(40)}" "${id}" "${service}.shop.svc.cluster.local:8080" "${pod}:8080" ` +
    `outbound|8080||${service}.shop.svc.cluster.local 10.244.1.7:${30_000 + pick(20_000)} 10.96.0.${pick(12)}:8080 10.244.1.7:${30_000 + pick(20_000)} - default`
  )
}

const lines = Array.from({ length: lineCount }, (_, index) => lineOf(index))
const chunk = Buffer.from(lines.join('\n') + '\n')
const context: LineContext = {
  source: 'access_log',
  cluster: 'home',
  received: 1_795_249_200_000_000,
  pod: { namespace: 'shop', name: 'web-7d9c', node: 'node-1' },
}

const builders = new Map<KindName, BlockBuilder>()
function block(kind: KindName): BlockBuilder {
  const known = builders.get(kind)
  if (known) return known
  const builder = new BlockBuilder(kinds[kind])
  builders.set(kind, builder)
  return builder
}
const reader = openLineReader({}, { block, deadLetter: () => {} }, { discarded: () => {} })
let encoded = 0
let rows = 0

function encodeFull(always = false): void {
  for (const builder of builders.values()) {
    if (!builder.full && !(always && builder.rows)) continue
    rows += builder.rows
    encoded += builder.encode().length
    builder.reset()
  }
}

/** Bytes to blocks, as the collector does. */
function readOurs(): void {
  let start = 0
  for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
    if (!reader.takeBytes(chunk, start, end, context)) throw new Error(`line at ${start} is not taken`)
    start = end + 1
    encodeFull()
  }
  encodeFull(true)
}

/** The regular expression of a reader that is written in an afternoon. */
const expression =
  /^\[(?<ts>[^\]]+)\] "(?<req>(?:[^"\\]|\\.)*)" (?<code>\d+|-) (?<flags>\S+) (?<details>(?:\S+\{[^}]*\}\S*|\S+)) (?<term>\S+(?:\{[^}]*\})?) "(?<tfail>(?:[^"\\]|\\.)*)" (?<rx>\S+) (?<tx>\S+) (?<dur>\S+) (?<ust>\S+) "(?<xff>[^"]*)" "(?<ua>(?:[^"\\]|\\.)*)" "(?<rid>[^"]*)" "(?<auth>[^"]*)" "(?<uhost>[^"]*)" (?<uc>\S+) (?<ula>\S+) (?<dla>\S+) (?<dra>\S+) (?<sni>\S+) (?<route>\S+)$/
let matched = 0
function readExpression(store: boolean): void {
  for (const line of chunk.toString('utf8').split('\n')) {
    const groups = expression.exec(line)?.groups
    if (!groups) continue
    matched++
    if (store) storeGroups(groups)
  }
}

/** The same columns, through objects. */
function storeGroups(groups: Record<string, string>): void {
  const [method, path, version] = groups.req.split(' ')
  const [server, serverPort] = groups.uhost.split(':')
  const [client, clientPort] = groups.dra.split(':')
  block('request').add({
    time: Date.parse(groups.ts) * 1000,
    received: context.received,
    source: context.source,
    reporter: 'shop/web-7d9c',
    reporter_kind: 'sidecar',
    cluster: context.cluster,
    layer: 'l7_proxy',
    direction: groups.uc.startsWith('outbound') ? 'egress' : 'ingress',
    phase: 'exchange',
    verdict: 'forwarded',
    protocol: 'http',
    protocol_version: version,
    transport: 'tcp',
    ip_version: 4,
    method,
    path,
    host: groups.auth,
    status_code: Number(groups.code),
    error: Number(groups.code) >= 500,
    latency: Number(groups.dur) * 1e6,
    upstream_latency: Number(groups.ust) * 1e6,
    response_details: groups.details,
    route: groups.route,
    upstream_cluster: groups.uc,
    request_bytes: Number(groups.rx),
    response_bytes: Number(groups.tx),
    user_agent: groups.ua,
    request_id: groups.rid,
    src_address: client,
    src_port: Number(clientPort),
    dst_address: server,
    dst_port: Number(serverPort),
    src_namespace: 'shop',
    src_pod: 'web-7d9c',
    src_node: 'node-1',
    dst_service: groups.uc.split('|')[3].split('.').slice(0, 2).reverse().join('/'),
  })
  encodeFull()
}

function measure(name: string, work: () => void): number {
  for (let i = 0; i < 5; i++) work()
  const seconds = Number(values.seconds)
  const before = process.cpuUsage()
  const until = performance.now() + seconds * 1000
  let passes = 0
  for (; performance.now() < until; passes++) work()
  const { user, system } = process.cpuUsage(before)
  const perSecond = (passes * lineCount) / ((user + system) / 1e6)
  console.log(`${name}: ${Math.round(perSecond).toLocaleString('en')} lines per second of processor time`)
  return perSecond
}

const ours = measure('lines to blocks', readOurs)
const theirs = measure('regular expression with named groups to blocks', () => {
  readExpression(true)
  encodeFull(true)
})
const alone = measure('the regular expression alone, nothing stored', () => readExpression(false))
console.log(`${(ours / theirs).toFixed(1)} times the one, ${(ours / alone).toFixed(1)} times the other`)
console.log(`${Math.round(chunk.length / lineCount)} bytes a line, ${(encoded / rows).toFixed(0)} bytes a row, ${matched} lines matched`)
