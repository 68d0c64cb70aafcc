import { addressBytes, readAddress } from '../../runtime/block/address.ts'
import { sideOf } from './judge.ts'
import { type FlowRecord, places } from './record.ts'
import type { Seen } from './flow-rows.ts'

const response = 0x8000
const noSuchName = 3
const dnsPort = 53
const transports: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp' }

/** Whether a DNS message was among the packets of the record. */
export const hasDns = ({ dnsId, dnsName, dnsLatency }: FlowRecord) => dnsId !== 0 || dnsName !== '' || dnsLatency !== 0

/** The question and its answer as a request: its client is who asked, whatever way the packets of the record went. */
export function dnsRequest(record: FlowRecord, { reporter, received }: Seen, cluster: string): { time: number } & Record<string, unknown> {
  const isAnswer = (record.dnsFlags & response) !== 0 || (record.dnsLatency !== 0 && record.sourcePort === dnsPort)
  const [client, server] = isAnswer ? [places.destination, places.source] : [places.source, places.destination]
  const [clientPort, serverPort] = isAnswer ? [record.destinationPort, record.sourcePort] : [record.sourcePort, record.destinationPort]
  const code = record.dnsFlags & 15
  const phase = record.dnsLatency ? 'exchange' : isAnswer ? 'response' : 'request'
  return {
    time: record.end || received,
    received,
    source: 'netobserv',
    reporter,
    reporter_kind: 'node',
    cluster,
    layer: 'kernel',
    direction: directionOf(sideOf(record), isAnswer),
    phase,
    verdict: 'forwarded',
    protocol: 'dns',
    transport: transports[record.protocol] ?? '',
    ip_version: record.versions[places.source],
    latency: record.dnsLatency,
    dns_query: record.dnsName,
    weight: Math.max(1, record.sampling),
    src_address: addressAt(record, client),
    src_port: clientPort,
    dst_address: addressAt(record, server),
    dst_port: serverPort,
    ...(phase !== 'request' && { status_code: code, error: code !== 0 && code !== noSuchName }),
    ...(record.dnsErrno && { attributes: { 'dns.errno': String(record.dnsErrno) } }),
  }
}

/** Of a request `ingress` is at the server; where an answer arrives is the client. */
const directionOf = (side: number, isAnswer: boolean) => (side === 0 ? 'unknown' : (side === 1) === isAnswer ? 'egress' : 'ingress')

const addressAt = ({ addresses }: FlowRecord, place: number) => readAddress(addresses, place * addressBytes)
