// How long the API takes over a busy hour: node test/benchmarks/query.ts [pairs of workloads]
// The rollups are generated as 20,000 flows/s between so many pairs leave them: two edges each, there and back, and six views of each edge.
import { openApi } from '../../query-api/app.ts'
import { ask } from '../../query-api/query.ts'
import { openTestDatabase, quietLog } from '../helpers/clickhouse.ts'

const pairs = Number(process.argv[2] ?? 250)
const minutes = 60
const end = Math.floor(Date.now() / 3_600_000) * 3_600_000
const perRow = Math.round((20_000 * 60) / pairs / 12)

const ends = `concat('namespace-', toString(intDiv(edge, 40))) AS src_namespace, concat('workload-', toString(edge % 97)) AS src_workload,
  concat('namespace-', toString(edge % 12)) AS dst_namespace, concat('workload-', toString(edge % 89)) AS dst_workload,
  'Deployment' AS src_workload_kind, 'Deployment' AS dst_workload_kind, 'one' AS cluster, 'one' AS src_cluster, 'one' AS dst_cluster,
  concat(dst_namespace, '/', dst_workload) AS dst_service, toUInt16(8000 + edge % 7) AS server_port, 'kernel' AS layer, 'hubble' AS source`
const buckets = `toDateTime(${end / 1000} - 60 * (1 + intDiv(number, ${pairs}) % ${minutes}), 'UTC') AS bucket, number % ${pairs} AS edge`

const flowRollup = `INSERT INTO flow_1m (bucket, source, cluster, layer, type, event, observation_point, direction, orientation, server_port, verdict,
  drop_reason, protocol, policy_name, policy_namespace, src_cluster, src_namespace, src_workload, src_workload_kind, dst_cluster, dst_namespace,
  dst_workload, dst_workload_kind, dst_service, records, flows, connections)
SELECT bucket, source, cluster, layer, 'l3_l4',
  ['trace', 'trace', 'trace', 'trace', 'policy_verdict', 'policy_verdict', 'policy_verdict', 'drop'][view + 1],
  ['to_endpoint', 'to_overlay', 'to_stack', 'from_overlay', 'unknown', 'unknown', 'unknown', 'unknown'][view + 1],
  ['ingress', 'egress', 'egress', 'ingress', 'ingress', 'egress', 'ingress', 'ingress'][view + 1],
  ['forward', 'reply'][orientation + 1], server_port,
  if(view >= 6, 'dropped', 'forwarded'), if(view >= 6, 'POLICY_DENIED', ''), 'tcp',
  if(view = 6, concat('policy-', toString(edge % 9)), ''), if(view = 6, dst_namespace, ''),
  if(orientation, dst_cluster, src_cluster), if(orientation, dst_namespace, src_namespace), if(orientation, dst_workload, src_workload), 'Deployment',
  if(orientation, src_cluster, dst_cluster), if(orientation, src_namespace, dst_namespace), if(orientation, src_workload, dst_workload), 'Deployment',
  if(orientation, '', dst_service), ${perRow}, ${perRow}, if(orientation, 0, ${Math.round(perRow / 10)})
FROM (SELECT ${buckets}, intDiv(number, ${pairs * minutes}) % 2 AS orientation, intDiv(number, ${pairs * minutes * 2}) AS view, ${ends}
  FROM numbers(${pairs * minutes * 2 * 8}))
WHERE view < 6 OR (orientation = 0 AND edge % 10 = 0)`

const requestRollup = `INSERT INTO request_1m (bucket, source, cluster, layer, direction, phase, verdict, protocol, method, status_code, server_port, src_cluster,
  src_namespace, src_workload, src_workload_kind, dst_cluster, dst_namespace, dst_workload, dst_workload_kind, dst_service, records, requests, responses,
  errors, latency)
SELECT bucket, source, cluster, layer, ['ingress', 'egress'][view + 1], 'exchange', 'forwarded', 'http', 'GET', status, server_port, src_cluster,
  src_namespace, src_workload, 'Deployment', dst_cluster, dst_namespace, dst_workload, 'Deployment', dst_service, 30, 30, 30, if(status = 500, 30, 0),
  arrayReduce('quantilesDDState(0.01, 0.5, 0.95, 0.99)', arrayMap(i -> toUInt64(1000000 * (1 + (i * edge) % 50)), range(30)))
FROM (SELECT ${buckets}, intDiv(number, ${pairs * minutes}) % 2 AS view, [200, 404, 500][1 + intDiv(number, ${pairs * minutes * 2})] AS status, ${ends}
  FROM numbers(${pairs * minutes * 2 * 3}))
WHERE status = 200 OR edge % 10 = 0`

await using database = await openTestDatabase()
const { clickhouse } = database
await clickhouse.command(flowRollup)
await clickhouse.command(requestRollup)
const size = async (table: string) => (await clickhouse.query<{ rows: number }>(`SELECT count() AS rows FROM ${table}`)).rows[0].rows
console.log(`${await size('flow_1m')} rows of flow_1m, ${await size('request_1m')} of request_1m, ${2 * pairs} edges`)

const app = openApi({ clickhouse, log: quietLog, now: () => end })
const questions: Record<string, () => Promise<unknown>> = {
  topology: () => get('/api/v1/topology'),
  'topology of namespaces': () => get('/api/v1/topology?level=namespace'),
  'signals of workloads': () => get('/api/v1/signals'),
  'signals of edges': () => get('/api/v1/signals?by=edge'),
  denials: () => get('/api/v1/denials'),
  'flows over time, top 10': () => ask({ metrics: ['flows'], by: ['dst_workload'], every: 60, top: 10 }, { clickhouse, now: end }),
  'records by verdict': () => ask({ metrics: ['records'], kind: 'flow', by: ['verdict'] }, { clickhouse, now: end }),
}
async function get(url: string): Promise<void> {
  const { statusCode, body } = await app.inject({ url, headers: { host: 'localhost' } })
  if (statusCode !== 200) throw new Error(`${url} answers ${statusCode}: ${body}`)
}

const repeats = 7
for (const [what, question] of Object.entries(questions)) {
  const times: number[] = []
  for (let i = 0; i < repeats; i++) {
    const start = performance.now()
    await question()
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  console.log(`${what}: median ${times[3].toFixed(0)} ms, worst ${times[repeats - 1].toFixed(0)} ms`)
}
await app.close()
