import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import protobuf from 'protobufjs'
import 'protobufjs/ext/descriptor.js'

const rig = '../shared/fixtures/envoy-rig'

/** Fixtures are there in CI; elsewhere a test without them is skipped. */
export const areThere = (): Promise<boolean> =>
  readFile(`${rig}/single/traffic.json`).then(
    () => true,
    () => false,
  )

/** Streams a real Envoy sent, each as its messages: HTTP of the server's proxy and of the client's, then TCP of both and the listener. */
export async function recordedStreams(): Promise<Buffer[][]> {
  return Promise.all([1, 2, 3, 4, 5].map(async number => messagesIn(await gunzipped(`${rig}/single/als-00${number}.bin.gz`))))
}

/** Messages with their length in four bytes in front. */
function messagesIn(file: Buffer): Buffer[] {
  const messages: Buffer[] = []
  for (let at = 0; at < file.length;) {
    const end = at + 4 + file.readUInt32BE(at)
    messages.push(file.subarray(at + 4, end))
    at = end
  }
  return messages
}

const gunzipped = async (path: string) => gunzipSync(await readFile(path))

export interface Traffic {
  sent: Record<string, number>
  status: Record<string, Record<string, number>>
  expect: Record<string, number>
  flags: Record<string, { client: string; server: string }>
}

export const recordedTraffic = async () => JSON.parse(await readFile(`${rig}/single/traffic.json`, 'utf8')) as Traffic

/** An entry in the JSON of protobuf, as far as tests look into it. */
export interface DecodedEntry {
  common_properties: {
    access_log_type?: string
    stream_id?: string
    start_time: string
    duration: string
    time_to_last_downstream_tx_byte?: string
    upstream_cluster?: string
    upstream_request_attempt_count?: number
    downstream_direct_remote_address: { socket_address: { port_value: number } }
    tls_properties?: { tls_sni_hostname?: string; peer_certificate_properties?: { subject_alt_name?: { uri?: string }[] } }
    response_flags?: Record<string, boolean>
  }
  request?: {
    request_method?: string
    path?: string
    original_path?: string
    request_headers_bytes?: string
    request_body_bytes?: string
    request_headers?: Record<string, string>
  }
  response?: {
    response_code?: number
    response_code_details?: string
    response_headers_bytes?: string
    response_body_bytes?: string
  }
}

/** Entries as another program made JSON of them, one of each kind and role. */
export async function decodedEntries() {
  const lines = (await gunzipped(`${rig}/decoded/als-entries.jsonl.gz`)).toString('utf8').trim().split('\n')
  return lines.map(line => JSON.parse(line) as { role: string; kind: string; type: string; entry: DecodedEntry })
}

interface DescriptorRoot {
  fromDescriptor(descriptor: unknown): protobuf.Root
}

let root: protobuf.Root | undefined

/** The types of Envoy's own descriptors. */
export async function messageType(name = 'envoy.service.accesslog.v3.StreamAccessLogsMessage'): Promise<protobuf.Type> {
  root ??= (protobuf.Root as unknown as DescriptorRoot).fromDescriptor(
    await gunzipped(`${rig}/proto/envoy-als-metrics-otlp.descset.bin.gz`),
  )
  return root.lookupType(name)
}
