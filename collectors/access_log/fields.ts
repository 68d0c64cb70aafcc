/** What an access log can tell, by the names Istio's JSON format gives; the first ones in the order of its text format. */
export const fieldNames = [
  'start_time',
  'method',
  'path',
  'protocol',
  'response_code',
  'response_flags',
  'response_code_details',
  'connection_termination_details',
  'upstream_transport_failure_reason',
  'bytes_received',
  'bytes_sent',
  'duration',
  'upstream_service_time',
  'x_forwarded_for',
  'user_agent',
  'request_id',
  'authority',
  'upstream_host',
  'upstream_cluster',
  'upstream_local_address',
  'downstream_local_address',
  'downstream_remote_address',
  'requested_server_name',
  'route_name',
  'downstream_direct_remote_address',
  'downstream_peer_uri_san',
  'upstream_peer_uri_san',
  'downstream_tls_version',
  'grpc_status',
  'content_type',
  'attempts',
  'trace_id',
  'span_id',
  'traceparent',
  'connection_id',
  'access_log_type',
  'pod_name',
  'pod_namespace',
  'node_name',
] as const

export type FieldName = (typeof fieldNames)[number]

/** The number of each field. */
export const fieldOf = Object.fromEntries(fieldNames.map((name, index) => [name, index])) as Record<FieldName, number>

/** The number of a name, -1 for one that is not known. */
export const numberOf = (name: string): number => (Object.hasOwn(fieldOf, name) ? fieldOf[name as FieldName] : -1)

const dash = 45
const firstBytes = 1 << 12

/** One access log as bytes with the place of each field in them. Made once and filled anew for each. */
export class Fields {
  bytes: Buffer = Buffer.alloc(0)
  readonly starts = new Int32Array(fieldNames.length)
  readonly ends = new Int32Array(fieldNames.length)
  /** What has no field of its own, as pairs. */
  readonly others: [name: string, value: string][] = []
  /** When it began in microseconds, where that is not in the bytes. */
  time = 0
  /** How long it took in nanoseconds, where that is known better than in milliseconds. */
  nanos = 0
  /** Whether the format tells of servers' sides only. */
  isInbound = false
  #own = Buffer.alloc(firstBytes)
  #used = 0

  /** Forgets everything; fields lie in these bytes from now on. */
  begin(bytes: Buffer): void {
    this.bytes = bytes
    this.starts.fill(0)
    this.ends.fill(0)
    this.time = 0
    this.nanos = 0
    this.isInbound = false
    if (this.others.length) this.others.length = 0
  }

  /** Forgets everything; fields are given as text from now on. */
  beginTexts(): void {
    this.begin(this.#own)
    this.#used = 0
  }

  /** A lone `-` stands for nothing. */
  set(field: number, start: number, end: number): void {
    this.starts[field] = start
    this.ends[field] = end - start === 1 && this.bytes[start] === dash ? start : end
  }

  /** Gives a field as text, which is added to bytes of our own. */
  setText(field: number, text: string): void {
    const start = this.#used
    this.#room(Buffer.byteLength(text))
    this.#used += this.#own.write(text, start)
    this.set(field, start, this.#used)
  }

  /** Takes what lies in bytes of others over into bytes of our own, so that texts can be added. */
  own(start: number, end: number): void {
    if (this.bytes === this.#own) return
    const source = this.bytes
    this.#used = 0
    this.#room(end - start)
    source.copy(this.#own, 0, start, end)
    this.#used = end - start
    for (let field = 0; field < fieldNames.length; field++) {
      if (this.ends[field] === 0) continue
      this.starts[field] -= start
      this.ends[field] -= start
    }
  }

  has(field: number): boolean {
    return this.ends[field] > this.starts[field]
  }

  text(field: number): string {
    return this.has(field) ? this.bytes.toString('utf8', this.starts[field], this.ends[field]) : ''
  }

  #room(count: number): void {
    if (this.#used + count > this.#own.length) {
      const larger = Buffer.alloc(Math.max(this.#own.length * 2, this.#used + count))
      this.#own.copy(larger, 0, 0, this.#used)
      this.#own = larger
    }
    this.bytes = this.#own
  }
}
