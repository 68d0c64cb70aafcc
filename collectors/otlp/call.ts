import { requestProtocols } from '../../schema/vocabulary.ts'
import { grpcStatusText } from '../mesh/grpc-status.ts'
import { statusNames } from '../grpc/status.ts'
import type { Facts } from './facts.ts'
import { at } from './keys.ts'

type Protocol = (typeof requestProtocols)[number]

/** Systems that speak SQL, as the conventions name them; old names too. */
const sqlSystems = new Set(
  (
    'other_sql postgresql mysql mariadb mssql microsoft.sql_server oracle oracle.db sqlite clickhouse cockroachdb trino db2 ibm.db2 ' +
    'snowflake hive derby h2 h2database hsqldb firebird firebirdsql sybase teradata vertica redshift aws.redshift spanner gcp.spanner ' +
    'sap.hana hanadb hanasql ibm.informix informix ibm.netezza netezza softwareag.adabas singlestore presto edb ingres actian.ingres'
  ).split(' '),
)
const slash = 47
const colon = 58
const question = 63
const hash = 35
const atSign = 64

/** What the attributes of a span say of the call it is part of: conventions of HTTP, RPC, databases, messaging and DNS. */
export class Call {
  protocol: Protocol = ''
  method = ''
  route = ''
  /** HTTP or gRPC status, 0 for none. */
  status = 0
  /** Host of the URL, with its port. */
  host = ''
  /** Where it lies in the message, or -1. */
  hostStart = -1
  hostEnd = -1
  /** Path and query: a text, or where it lies in the message. */
  path = ''
  pathStart = -1
  pathEnd = -1

  read(facts: Facts): void {
    this.route = facts.either(at['http.route'], at['url.template'])
    this.host = ''
    this.hostStart = -1
    this.path = ''
    this.pathStart = -1
    this.#readUrl(facts)
    this.method = facts.either(at['http.request.method'], at['http.method'])
    this.status = 0
    if (facts.has(at['rpc.system.name']) || facts.has(at['rpc.system'])) this.#readRpc(facts)
    else if (this.method) this.#readHttp(facts)
    else this.#readOther(facts)
  }

  #readHttp(facts: Facts): void {
    const isGrpc = facts.has(at['grpc.status_code'])
    this.protocol = isGrpc ? 'grpc' : 'http'
    this.status = isGrpc
      ? grpcStatus(facts.text(at['grpc.status_code']))
      : facts.number(at['http.response.status_code']) || facts.number(at['http.status_code'])
  }

  /** Since 2025 rpc.method is the whole of service/method. */
  #readRpc(facts: Facts): void {
    const isGrpc = facts.either(at['rpc.system.name'], at['rpc.system']) === 'grpc'
    const method = facts.text(at['rpc.method'])
    const whole = method.includes('/') ? method : `${facts.text(at['rpc.service'])}/${method}`
    this.protocol = isGrpc ? 'grpc' : this.method ? 'http' : ''
    this.method = method.slice(method.lastIndexOf('/') + 1) || this.method
    if (whole.length > 1) this.#setPath(whole.startsWith('/') ? whole : `/${whole}`)
    const status = facts.either(at['rpc.response.status_code'], at['rpc.grpc.status_code'], at['grpc.status_code'])
    this.status = isGrpc && status ? grpcStatus(status) : facts.number(at['http.response.status_code'])
  }

  #readOther(facts: Facts): void {
    const system = facts.either(at['db.system.name'], at['db.system'])
    const queue = facts.text(at['messaging.system'])
    if (system) this.#set(sqlSystems.has(system) ? 'sql' : 'database', facts.either(at['db.operation.name'], at['db.operation']))
    else if (queue) this.#set(queue === 'kafka' ? 'kafka' : 'messaging', messagingOperation(facts))
    else if (facts.has(at['dns.question.name'])) this.#set('dns', '')
    else if (this.pathStart >= 0 || this.path !== '') this.#set('http', '')
    else this.protocol = ''
    if (this.protocol === 'http') this.status = facts.number(at['http.response.status_code']) || facts.number(at['http.status_code'])
  }

  #set(protocol: Protocol, method: string): void {
    this.protocol = protocol
    this.method = method
  }

  #setPath(path: string): void {
    this.path = path
    this.pathStart = -1
  }

  #readUrl(facts: Facts): void {
    const url = facts.has(at['url.full']) ? at['url.full'] : at['http.url']
    const start = facts.start(url)
    if (start >= 0) this.#splitUrl(facts, start, facts.end(url))
    if (this.pathStart < 0) this.#readPath(facts)
    if (this.host === '') this.host = facts.either(at['server.address'], at['http.host'])
  }

  /** [scheme:]//[user@]host[:port][/path][?query]; what has no // is a path. */
  #splitUrl(facts: Facts, start: number, end: number): void {
    const { bytes } = facts
    let hostStart = start
    while (hostStart < end && bytes[hostStart] !== slash && bytes[hostStart] !== colon) hostStart++
    if (bytes[hostStart] === colon) hostStart++
    if (hostStart + 1 >= end || bytes[hostStart] !== slash || bytes[hostStart + 1] !== slash) return this.#markPath(start, end)
    hostStart += 2
    let hostEnd = hostStart
    for (; hostEnd < end; hostEnd++) {
      const byte = bytes[hostEnd]
      if (byte === slash || byte === question || byte === hash) break
      if (byte === atSign) hostStart = hostEnd + 1
    }
    this.host = facts.slice(hostStart, hostEnd)
    this.hostStart = hostStart
    this.hostEnd = hostEnd
    this.#markPath(hostEnd, end)
  }

  #markPath(start: number, end: number): void {
    this.pathStart = start
    this.pathEnd = end
  }

  #readPath(facts: Facts): void {
    const name = facts.has(at['url.path']) ? at['url.path'] : facts.has(at['http.target']) ? at['http.target'] : at['http.path']
    if (!facts.has(name)) return
    const query = name === at['url.path'] ? facts.text(at['url.query']) : ''
    const start = facts.start(name)
    if (query || start < 0) this.path = query ? `${facts.text(name)}?${query}` : facts.text(name)
    else this.#markPath(start, facts.end(name))
  }
}

const messagingOperation = (facts: Facts) =>
  facts.either(at['messaging.operation.type'], at['messaging.operation.name'], at['messaging.operation'])

/** As number, be it given as number or name. */
function grpcStatus(text: string): number {
  return Math.max(0, statusNames.indexOf(grpcStatusText(text) as (typeof statusNames)[number]))
}
