import type { Flow } from '../../schema/flow.ts'
import { type Identity, readIdentity } from '../mesh/identity.ts'
import type { Denial } from '../mesh/rbac.ts'
import { deniedBy, policyOf } from './denial.ts'
import { identityFields, replyTo } from './flow-records.ts'
import type { LineContext } from './line.ts'
import type { Origin } from './origin.ts'
import { SocketAddress } from './values.ts'

/** A line of ztunnel's access log: a time, a message and values by key. */
export interface ZtunnelLine {
  time: string
  message: string
  values: ReadonlyMap<string, string>
}

const maxValues = 64

const header = /^(\d{4}-\d\d-\d\dT\S+)[\t ]+[A-Za-z]+[\t ]+access[\t ]+(connection (?:complete|opened|failed))(?:[\t ]+|$)/
/** key=value; values with special characters are quoted and escaped the way Rust prints strings for programmers. */
const pair = /([\w.]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))(?:\s+|$)/y

/** Whether a line begins as ztunnel's access log does. */
export const looksLikeZtunnel = (text: string) => /^\d{4}-\d\d-\d\dT\S+[\t ]+[A-Za-z]+[\t ]+access[\t ]+connection\b/.test(text)

/** Reads a line of text. Undefined for what is none, or breaks off. */
export function readZtunnelText(text: string): ZtunnelLine | undefined {
  const [all, time, message] = header.exec(text) ?? []
  if (all === undefined) return undefined
  const values = new Map<string, string>()
  pair.lastIndex = all.length
  while (pair.lastIndex < text.length && values.size < maxValues) {
    const found = pair.exec(text)
    if (!found) return undefined
    values.set(found[1], found[2] === undefined ? found[3] : unquote(found[2]))
  }
  return { time, message, values }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0' }

const unquote = (text: string) =>
  text.replaceAll(/\\(?:u\{([0-9a-f]{1,6})\}|(.))/g, (_, code?: string, character = '') =>
    code ? String.fromCodePoint(Math.min(0x10ffff, parseInt(code, 16))) : (escapes[character] ?? character),
  )

/** Reads the same as JSON, of which the values are given. Undefined for what is another message of ztunnel. */
export function readZtunnelJson(values: ReadonlyMap<string, string>): ZtunnelLine | undefined {
  const [time, message] = [values.get('time') ?? values.get('timestamp'), values.get('message') ?? '']
  if (values.get('scope') !== 'access' || !time || !message.startsWith('connection ')) return undefined
  return { time, message, values }
}

/** The two directions of a connection as ztunnel tells of it; undefined when it has no time or ends. */
export function ztunnelFlows({ time, values }: ZtunnelLine, origin: Origin, context: LineContext): Flow[] | undefined {
  const micros = microsOf(time)
  const text = (key: string) => values.get(key) ?? ''
  const isInbound = text('direction') === 'inbound'
  const source = addressOf(text('src.addr'))
  const destination = targetOf(text('dst.addr'), text('dst.hbone_addr'))
  if (Number.isNaN(micros) || !source.ipVersion || !destination.ipVersion) return undefined
  const [sent, received] = [countOf(text('bytes_sent')), countOf(text('bytes_recv'))]
  const { bytes, back } = isInbound ? { bytes: received, back: sent } : { bytes: sent, back: received }
  const forward: Flow = {
    time: micros,
    received: context.received,
    source: origin.source,
    reporter: origin.node || origin.reporter,
    reporter_kind: 'ztunnel',
    cluster: origin.cluster,
    layer: 'l4_proxy',
    type: 'l3_l4',
    direction: isInbound ? 'ingress' : 'egress',
    is_reply: 'no',
    protocol: 'tcp',
    ip_version: destination.ipVersion,
    ...endFields('src_', source, values, isInbound ? '' : origin.node),
    ...endFields('dst_', destination, values, isInbound ? origin.node : ''),
    dst_service: serviceOf(text('dst.service')),
    encrypted: text('src.identity') !== '' || text('dst.identity') !== '',
    auth_type: text('src.identity') ? 'mtls' : '',
    bytes,
    connections: 1,
    duration: durationOf(text('duration')),
    ...outcomeOf(text('error'), bytes + back > 0),
  }
  return back > 0 ? [forward, replyTo(forward, back)] : [forward]
}

function endFields(end: 'src_' | 'dst_', { text, port }: SocketAddress, values: ReadonlyMap<string, string>, node: string): Flow {
  const key = end.replace('_', '.')
  const value = (name: string) => values.get(key + name) ?? ''
  const identity: Identity | undefined = readIdentity(value('identity'))
  return {
    [`${end}address`]: text,
    [`${end}port`]: port,
    [`${end}namespace`]: value('namespace'),
    [`${end}pod`]: value('workload'),
    [`${end}cluster`]: value('cluster'),
    [`${end}node`]: node,
    ...identityFields(end, identity),
  }
}

/**
 * The server behind a tunnel: the address inside it. Where that is of another host (a service, which a waypoint serves), the one the
 * tunnel goes to has the pod and the identity that are told; the port is the one inside.
 */
function targetOf(outer: string, inner: string): SocketAddress {
  const tunnel = addressOf(outer)
  if (!tunnel.ipVersion) return addressOf(inner)
  const port = Number(/:(\d{1,5})$/.exec(inner)?.[1] ?? 0)
  if (port > 0 && port <= 65_535) tunnel.port = port
  return tunnel
}

function addressOf(text: string): SocketAddress {
  const address = new SocketAddress()
  const bytes = Buffer.from(text)
  address.read(bytes, 0, bytes.length)
  return address
}

function serviceOf(host: string): string {
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc(?:\.|$)/.exec(host) ?? []
  return name ? `${namespace}/${name}` : ''
}

const countOf = (text: string) => (/^\d{1,15}$/.test(text) ? Number(text) : 0)

/** Nanoseconds of 12ms; ztunnel knows no other unit. */
function durationOf(text: string): number {
  const [, count] = /^(\d{1,12})ms$/.exec(text) ?? []
  return count ? Number(count) * 1e6 : 0
}

/** Date reads milliseconds. */
function microsOf(time: string): number {
  const [, seconds, digits = '', zone] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(time) ?? []
  if (!seconds) return NaN
  return Date.parse(seconds + zone) * 1000 + Number(digits.slice(0, 6).padEnd(6, '0'))
}

/** How it ended: well, with the denial of a policy, or with another error. */
function outcomeOf(error: string, hasBytes: boolean): Flow {
  if (error === '') return { verdict: 'forwarded', end_reason: 'closed' }
  const denial = readZtunnelDenial(error)
  if (denial)
    return { event: 'policy_verdict', verdict: 'dropped', end_reason: 'policy_rejection', ...policyOf(denial), denied_by: deniedBy(denial) }
  if (isRefusedByPeer(error))
    return { event: 'drop', verdict: 'dropped', drop_reason: 'refused_by_destination', end_reason: reasonOf(error) }
  return { verdict: hasBytes ? 'forwarded' : 'error', end_reason: reasonOf(error) }
}

/** The ztunnel at the destination answers so when a policy there denies: its own log names the policy. */
const isRefusedByPeer = (error: string) => /^http status: 401\b/.test(error)

/**
 * The denial in an error of ztunnel: "connection closed due to policy rejection: explicitly denied by: shop/deny-all", "…: allow policies
 * exist, but none allowed", or without a reason as older ones write it; "connection closed due to policy change" of one that was open.
 */
export function readZtunnelDenial(error: string): Denial | undefined {
  if (error.startsWith('connection closed due to policy change')) return { namespace: '', policy: '', reason: 'policy_denied' }
  const [all, why = ''] = /^connection closed due to policy rejection(?:: (.*))?$/s.exec(error) ?? []
  if (all === undefined) return undefined
  const [, namespace, policy] = /^explicitly denied by: ([^/\s]+)\/(\S+)$/.exec(why) ?? []
  if (policy) return { namespace, policy, reason: 'policy_denied' }
  return { namespace: '', policy: '', reason: why.startsWith('allow policies exist') ? 'default_deny' : 'policy_denied' }
}

const longestReason = 120

/** The words of an error without the addresses in it, so that errors of one kind have one text. */
const reasonOf = (error: string) =>
  error
    .replaceAll(/\[?[0-9a-f]*:[0-9a-f:]*:[0-9a-f.]*\]?(?::\d+)?|\d+\.\d+\.\d+\.\d+(?::\d+)?/gi, '…')
    .replaceAll(/\s+/g, ' ')
    .slice(0, longestReason)
