import type { FlatObject } from './json.ts'
import { type FieldName, type Fields, fieldOf } from './fields.ts'
import { compileFormat } from './format.ts'

/** Keys of Linkerd's access log in JSON (config.linkerd.io/access-log: json), which is of requests that come in. */
const keys: Readonly<Record<string, FieldName>> = {
  timestamp: 'start_time',
  method: 'method',
  version: 'protocol',
  status: 'response_code',
  request_bytes: 'bytes_received',
  response_bytes: 'bytes_sent',
  user_agent: 'user_agent',
  host: 'authority',
  'client.addr': 'downstream_remote_address',
  'client.id': 'downstream_peer_uri_san',
}

/** Finds the fields of a line of Linkerd's access log. False for what is none. */
export function readLinkerd(values: FlatObject, fields: Fields): boolean {
  if (!values.has('client.addr') || !values.has('timestamp') || !(values.has('total_ns') || values.has('processing_ns'))) return false
  fields.beginTexts()
  for (const [key, name] of Object.entries(keys)) if (values.has(key)) fields.setText(fieldOf[name], values.get(key)!)
  readUri(values.get('uri') ?? '', fields)
  fields.nanos = Number(/^\d{1,15}$/.exec(values.get('total_ns') ?? '') ?? 0)
  fields.isInbound = true
  if (values.get('trace_id')) fields.others.push(['trace_id', values.get('trace_id')!])
  return true
}

/** The same as text (config.linkerd.io/access-log: apache), with or without the bytes that were sent. */
const common =
  '%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_PEER_URI_SAN% - [%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE%'
const texts = [common, `${common} %BYTES_SENT%`].map(format => compileFormat(format, 'linkerd'))

/** Finds the fields of a line of Linkerd's access log in Apache's common format. False for what is none. */
export function readLinkerdText(line: Buffer, fields: Fields): boolean {
  if (!texts.some(format => format.scan(line, fields))) return false
  const uri = fields.text(fieldOf.path)
  fields.own(0, line.length)
  readUri(uri, fields)
  fields.isInbound = true
  return true
}

/** A URI is a path, or has a host before it. */
function readUri(uri: string, fields: Fields): void {
  const [, authority, path] = /^[a-z]+:\/\/([^/?#]*)(.*)$/s.exec(uri) ?? [undefined, '', uri]
  fields.setText(fieldOf.path, path)
  if (authority && !fields.has(fieldOf.authority)) fields.setText(fieldOf.authority, authority)
}
