import type { FlatObject } from './json.ts'
import { type FieldName, type Fields, fieldOf } from './fields.ts'

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
  const [, authority, path] = /^[a-z]+:\/\/([^/?#]*)(.*)$/s.exec(values.get('uri') ?? '') ?? [undefined, '', values.get('uri') ?? '']
  fields.setText(fieldOf.path, path)
  if (!fields.has(fieldOf.authority)) fields.setText(fieldOf.authority, authority)
  fields.nanos = Number(/^\d{1,15}$/.exec(values.get('total_ns') ?? '') ?? 0)
  fields.isInbound = true
  if (values.get('trace_id')) fields.others.push(['trace_id', values.get('trace_id')!])
  return true
}
