import type { L7 } from './event.ts'
import { Phase } from './hubble-numbers.ts'
import type { Wire } from './wire.ts'

/** Appends Flow.l7, and Flow.trace_context of a request that carries one. */
export function writeL7(wire: Wire, l7: L7): void {
  const opened = wire.open(15, 2)
  wire.number(1, l7.phase)
  wire.number(2, l7.latencyNs)
  if (l7.protocol === 'http') writeHttp(wire, l7)
  else if (l7.protocol === 'dns') writeDns(wire, l7)
  else writeKafka(wire, l7)
  wire.close(opened)
  if (l7.protocol === 'http' && l7.traceId) writeTrace(wire, l7.traceId)
}

function header(wire: Wire, key: string, value: string): void {
  const opened = wire.open(5)
  wire.text(1, key)
  wire.text(2, value)
  wire.close(opened)
}

function writeHttp(wire: Wire, { method, url, status, requestId, userAgent, traceId }: L7 & { protocol: 'http' }): void {
  const opened = wire.open(101, 2)
  wire.number(1, status)
  wire.text(2, method)
  wire.text(3, url)
  wire.text(4, 'HTTP/1.1')
  if (!status) header(wire, 'User-Agent', userAgent)
  header(wire, 'X-Request-Id', requestId)
  if (traceId && !status) header(wire, 'Traceparent', `00-${traceId}-${traceId.slice(0, 16)}-01`)
  wire.close(opened)
}

function writeTrace(wire: Wire, traceId: string): void {
  const context = wire.open(30)
  const parent = wire.open(1)
  wire.text(1, traceId)
  wire.close(parent)
  wire.close(context)
}

function writeDns(wire: Wire, { phase, query, queryType, status, addresses, ttl }: L7 & { protocol: 'dns' }): void {
  const opened = wire.open(100, 2)
  wire.text(1, query)
  for (const address of addresses) wire.text(2, address)
  wire.number(3, ttl)
  wire.text(5, 'proxy')
  wire.number(6, status)
  wire.text(7, queryType)
  if (phase === Phase.response && addresses.length) wire.text(8, queryType)
  wire.close(opened)
}

function writeKafka(wire: Wire, { key, topic, correlationId, status }: L7 & { protocol: 'kafka' }): void {
  const opened = wire.open(102)
  wire.number(1, status)
  wire.number(2, 9)
  wire.text(3, key)
  wire.number(4, correlationId)
  wire.text(5, topic)
  wire.close(opened)
}
