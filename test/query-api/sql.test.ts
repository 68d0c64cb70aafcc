import test from 'ava'
import { type Query, planQuery } from '../../query-api/plan.ts'
import { toSql } from '../../query-api/sql.ts'

const now = Date.parse('2026-11-21T10:00:00Z')

/** The question, and the statement that answers it. */
const statements: Record<string, [question: Query, sql: string, params: Record<string, unknown>]> = {
  'records by verdict': [
    { kind: 'flow', metrics: ['records'], by: ['verdict'] },
    `WITH
views AS (
  SELECT
    verdict,
    records AS measured_records
  FROM flow_1m
  WHERE bucket >= toDateTime('2026-11-21 09:00:00', 'UTC') AND bucket < toDateTime('2026-11-21 10:00:00', 'UTC')
)
SELECT
  verdict,
  sum(measured_records) AS records
FROM views
GROUP BY verdict
ORDER BY records DESC, verdict
LIMIT 10001`,
    {},
  ],
  'drops of a namespace': [
    { metrics: ['drops'], by: ['src_workload'], where: 'dst_namespace = shop' },
    `WITH
views AS (
  SELECT
    src_workload,
    flows AS measured_flows,
    cityHash64(bucket, edge) AS bucket_edge,
    place,
    toUnixTimestamp(bucket) AS place_time,
    cityHash64(bucket_edge, event = 'l7', direction) AS drops_edge,
    cityHash64(place, event = 'l7', direction) AS drops_place,
    cityHash64(reporter_kind, layer, observation_point, if(exporter = '', cityHash64(source, direction), 0), if(layer = 'kernel', cityHash64(event), 0)) / 2e19 AS view,
    multiIf(
      source IN ('istio_metrics', 'linkerd_metrics') AND direction = 'ingress', 3,
      source IN ('istio_metrics', 'linkerd_metrics') AND direction = 'unknown', 2,
      source IN ('istio_metrics', 'linkerd_metrics'), 1,
      event = 'drop', 6,
      event = 'policy_verdict', 5,
      4
    ) + view AS drops_view
  FROM flow_1m
  WHERE bucket >= toDateTime('2026-11-21 09:00:00', 'UTC') AND bucket < toDateTime('2026-11-21 10:00:00', 'UTC')
    AND type != 'sock'
    AND verdict = 'dropped'
    AND (dst_namespace = {p1:String})
),
best_of_drops_edge AS (
  SELECT drops_edge, if(max(drops_view) < 4 AND max(max(drops_view)) OVER (PARTITION BY any(drops_place) ORDER BY any(place_time) RANGE BETWEEN 60 PRECEDING AND 60 FOLLOWING) > max(drops_view), -1, greatest(max(drops_view), 1)) AS drops_best
  FROM views
  GROUP BY drops_edge
)
SELECT
  src_workload,
  sum(measured_flows) AS drops
FROM views
JOIN best_of_drops_edge USING drops_edge
WHERE drops_view = drops_best
GROUP BY src_workload
ORDER BY drops DESC, src_workload
LIMIT 10001`,
    { p1: 'shop' },
  ],
  'the slowest workloads over time': [
    { metrics: ['latency_p95', 'error_ratio'], by: ['dst_workload'], every: 300, top: 5 },
    `WITH
views AS (
  SELECT
    toStartOfInterval(bucket, INTERVAL 300 SECOND) AS time,
    dst_workload,
    latency AS measured_latency,
    errors AS measured_errors,
    responses AS measured_responses,
    cityHash64(bucket, edge) AS bucket_edge,
    place,
    toUnixTimestamp(bucket) AS place_time,
    cityHash64(bucket_edge, layer = 'l7_proxy' AND direction = 'egress' AND match(response_flags, '(^|,)(UH|UF|UO|NR|NC)(,|$)')) AS requests_edge,
    cityHash64(place, layer = 'l7_proxy' AND direction = 'egress' AND match(response_flags, '(^|,)(UH|UF|UO|NR|NC)(,|$)')) AS requests_place,
    cityHash64(source, reporter_kind, layer, direction) / 2e19 AS view,
    multiIf(
      source IN ('istio_metrics', 'linkerd_metrics') AND direction = 'ingress', 3,
      source IN ('istio_metrics', 'linkerd_metrics') AND direction = 'unknown', 2,
      source IN ('istio_metrics', 'linkerd_metrics'), 1,
      layer = 'l7_proxy' AND direction = 'ingress' AND reporter_kind IN ('', 'sidecar', 'gateway', 'node', 'application'), 11,
      layer = 'l7_proxy' AND reporter_kind = 'waypoint', 10,
      layer = 'l7_proxy' AND direction = 'unknown', 9,
      layer = 'l7_proxy' AND direction = 'egress', 8,
      layer = 'kernel' AND direction = 'ingress', 7,
      layer = 'kernel' AND direction = 'unknown', 6,
      layer = 'kernel' AND direction = 'egress', 5,
      4
    ) + view AS requests_view
  FROM request_1m
  WHERE bucket >= toDateTime('2026-11-21 09:00:00', 'UTC') AND bucket < toDateTime('2026-11-21 10:00:00', 'UTC')
),
best_of_requests_edge AS (
  SELECT requests_edge, if(max(requests_view) < 4 AND max(max(requests_view)) OVER (PARTITION BY any(requests_place) ORDER BY any(place_time) RANGE BETWEEN 60 PRECEDING AND 60 FOLLOWING) > max(requests_view), -1, greatest(max(requests_view), 1)) AS requests_best
  FROM views
  GROUP BY requests_edge
),
counted AS (
  SELECT *
  FROM views
  JOIN best_of_requests_edge USING requests_edge
  WHERE requests_view = requests_best
),
top AS (
  SELECT dst_workload FROM counted
  GROUP BY dst_workload
  ORDER BY quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(measured_latency)[2] / 1000000000 DESC, dst_workload
  LIMIT 5
)
SELECT
  time,
  if(other, 'Other', toString(groups.dst_workload)) AS dst_workload,
  quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(measured_latency)[2] / 1000000000 AS latency_p95,
  sum(measured_errors) / sum(measured_responses) AS error_ratio
FROM (
  SELECT *, (dst_workload) NOT IN top AS other FROM counted
) AS groups
GROUP BY time, other, dst_workload
ORDER BY time, other, latency_p95 DESC, dst_workload
LIMIT 10001`,
    {},
  ],
  'denials by policy, from the records': [
    { metrics: ['denials'], by: ['policy_name'], where: "dst_pod LIKE 'cart-%'", from: 'now-10m' },
    `WITH
views AS (
  SELECT
    policy_name,
    policy_namespace,
    policy_kind,
    policy_source,
    flows AS measured_flows,
    cityHash64(bucket, cityHash64(if(src_cluster = '', cluster, src_cluster), if(dst_cluster = '', cluster, dst_cluster), if(src_namespace = '', if(position(src_service, '/') > 0, splitByChar('/', src_service)[1], ''), src_namespace), if(dst_namespace = '', if(position(dst_service, '/') > 0, splitByChar('/', dst_service)[1], ''), dst_namespace), multiIf(src_workload != '', src_workload, src_service != '', splitByChar('/', src_service)[-1], src_service_account), multiIf(dst_workload != '', dst_workload, dst_service != '', splitByChar('/', dst_service)[-1], dst_service_account), multiIf(src_entity IN ('host', 'remote-node', 'kube-apiserver'), 'node', src_entity = 'world', '', src_entity), multiIf(dst_entity IN ('host', 'remote-node', 'kube-apiserver'), 'node', dst_entity = 'world', '', dst_entity), src_network, dst_network, server_port, protocol, orientation)) AS bucket_edge,
    cityHash64(if(src_cluster = '', cluster, src_cluster), if(dst_cluster = '', cluster, dst_cluster), if(src_namespace = '', if(position(src_service, '/') > 0, splitByChar('/', src_service)[1], ''), src_namespace), if(dst_namespace = '', if(position(dst_service, '/') > 0, splitByChar('/', dst_service)[1], ''), dst_namespace), multiIf(src_workload != '', src_workload, src_service != '', splitByChar('/', src_service)[-1], src_service_account), multiIf(dst_workload != '', dst_workload, dst_service != '', splitByChar('/', dst_service)[-1], dst_service_account), if(protocol = 'grpc', 'http', protocol)) AS place,
    toUnixTimestamp(bucket) AS place_time,
    cityHash64(bucket_edge, multiIf(event = 'l7', 'l7', drop_reason = '', 'policy_denied', lower(drop_reason)), direction) AS denials_edge,
    cityHash64(place, multiIf(event = 'l7', 'l7', drop_reason = '', 'policy_denied', lower(drop_reason)), direction) AS denials_place,
    cityHash64(reporter_kind, layer, observation_point, if(exporter = '', cityHash64(source, direction), 0), if(layer = 'kernel', cityHash64(event), 0)) / 2e19 AS view,
    multiIf(
      source IN ('istio_metrics', 'linkerd_metrics') AND direction = 'ingress', 3,
      source IN ('istio_metrics', 'linkerd_metrics') AND direction = 'unknown', 2,
      source IN ('istio_metrics', 'linkerd_metrics'), 1,
      event = 'drop', 6,
      event = 'policy_verdict', 5,
      4
    ) + view AS denials_view
  FROM (
    SELECT bucket, source, reporter_kind, exporter, cluster, layer, event, observation_point, direction, orientation, server_port, drop_reason, protocol, policy_kind, policy_namespace, policy_name, policy_source, src_cluster, src_namespace, src_workload, src_service, src_service_account, src_entity, src_network, dst_cluster, dst_namespace, dst_workload, dst_service, dst_service_account, dst_entity, dst_network, sum(weight) AS flows
    FROM (
      SELECT *, toStartOfInterval(time, INTERVAL 60 SECOND) AS bucket
      FROM flow
      WHERE time >= toDateTime('2026-11-21 09:50:00', 'UTC') AND time < toDateTime('2026-11-21 10:00:00', 'UTC')
        AND type != 'sock'
        AND verdict = 'dropped'
        AND (event IN ('policy_verdict', 'l7') OR lower(drop_reason) IN ('policy_denied', 'policy denied', 'policy_deny', 'policy denied by denylist', 'auth_required', 'authentication required'))
        AND (dst_pod LIKE {p1:String})
    )
    GROUP BY bucket, source, reporter_kind, exporter, cluster, layer, event, observation_point, direction, orientation, server_port, drop_reason, protocol, policy_kind, policy_namespace, policy_name, policy_source, src_cluster, src_namespace, src_workload, src_service, src_service_account, src_entity, src_network, dst_cluster, dst_namespace, dst_workload, dst_service, dst_service_account, dst_entity, dst_network
  )
),
best_of_denials_edge AS (
  SELECT denials_edge, if(max(denials_view) < 4 AND max(max(denials_view)) OVER (PARTITION BY any(denials_place) ORDER BY any(place_time) RANGE BETWEEN 60 PRECEDING AND 60 FOLLOWING) > max(denials_view), -1, greatest(max(denials_view), 1)) AS denials_best, if(uniqExactIf((policy_name, policy_namespace), denials_view >= 1 AND policy_name != '') > 1, ('', '', '', ''), maxIf((policy_name, policy_namespace, policy_kind, policy_source), denials_view >= 1)) AS policy
  FROM views
  GROUP BY denials_edge
),
counted AS (
  SELECT * REPLACE (if(views.policy_name = '' AND denials_view >= 1, policy.1, views.policy_name) AS policy_name, if(views.policy_name = '' AND denials_view >= 1, policy.2, views.policy_namespace) AS policy_namespace, if(views.policy_name = '' AND denials_view >= 1, policy.3, views.policy_kind) AS policy_kind, if(views.policy_name = '' AND denials_view >= 1, policy.4, views.policy_source) AS policy_source)
  FROM views
  JOIN best_of_denials_edge USING denials_edge
  WHERE denials_view = denials_best
)
SELECT
  policy_name,
  sum(measured_flows) AS denials
FROM counted
GROUP BY policy_name
ORDER BY denials DESC, policy_name
LIMIT 10001`,
    { p1: 'cart-%' },
  ],
  'flows and drops, and a day before': [
    { metrics: ['flows', 'drops'], by: ['dst_workload'], compare: 86400 },
    `WITH
views AS (
  SELECT
    bucket < toDateTime('2026-11-21 09:00:00', 'UTC') AS before,
    dst_workload,
    flows AS measured_flows,
    cityHash64(bucket, edge) AS bucket_edge,
    place,
    toUnixTimestamp(bucket) AS place_time,
    cityHash64(bucket_edge, event = 'l7', direction) AS drops_edge,
    cityHash64(place, event = 'l7', direction) AS drops_place,
    cityHash64(reporter_kind, layer, observation_point, if(exporter = '', cityHash64(source, direction), 0), if(layer = 'kernel', cityHash64(event), 0)) / 2e19 AS view,
    multiIf(
      NOT (event != 'trace_sock' AND NOT before_translation AND NOT ((layer NOT IN ('l4_proxy', 'l7_proxy') AND src_service != '' AND src_workload = '' AND src_entity IN ('', 'world') AND (src_namespace = '' OR (source = 'netobserv' OR layer = 'exporter'))) OR (layer NOT IN ('l4_proxy', 'l7_proxy') AND dst_service != '' AND dst_workload = '' AND dst_entity IN ('', 'world') AND (dst_namespace = '' OR (source = 'netobserv' OR layer = 'exporter'))))), 0,
      source IN ('istio_metrics', 'linkerd_metrics') AND direction = 'ingress', 9,
      source IN ('istio_metrics', 'linkerd_metrics') AND direction = 'unknown', 8,
      source IN ('istio_metrics', 'linkerd_metrics'), 7,
      layer = 'kernel' AND server_port = '15008' AND event = 'trace' AND direction = 'ingress' AND observation_point = 'to_endpoint', 6,
      layer = 'kernel' AND server_port = '15008' AND direction = 'ingress' AND observation_point IN ('to_network', 'to_overlay', 'to_stack'), 5,
      layer = 'kernel' AND server_port = '15008' AND direction = 'ingress', 4,
      layer = 'kernel' AND server_port = '15008' AND direction = 'egress' AND observation_point IN ('to_network', 'to_overlay', 'to_stack'), 3,
      layer = 'kernel' AND server_port = '15008' AND direction = 'egress', 2,
      layer IN ('kernel', 'exporter') AND server_port = '15008', 1,
      event = 'trace' AND direction = 'ingress' AND observation_point = 'to_endpoint', 31,
      event = 'trace' AND direction = 'ingress' AND observation_point IN ('to_network', 'to_overlay', 'to_stack'), 30,
      event = 'trace' AND direction = 'ingress' AND observation_point = 'from_endpoint', 29,
      event = 'trace' AND direction = 'ingress', 28,
      event = 'trace' AND direction = 'egress' AND observation_point IN ('to_network', 'to_overlay', 'to_stack'), 27,
      event = 'trace' AND direction = 'egress' AND observation_point = 'to_endpoint', 26,
      event = 'trace' AND direction = 'egress' AND observation_point = 'from_endpoint', 25,
      event = 'trace' AND direction = 'egress', 24,
      event = 'trace', 23,
      layer = 'kernel' AND event = 'policy_verdict' AND direction = 'ingress', 22,
      layer = 'kernel' AND event = 'policy_verdict' AND direction = 'egress', 21,
      layer = 'l4_proxy' AND direction = 'ingress', 20,
      layer = 'l4_proxy' AND direction = 'egress', 19,
      layer = 'l4_proxy', 18,
      layer = 'kernel' AND direction = 'ingress', 17,
      layer = 'kernel' AND direction = 'egress', 16,
      layer = 'kernel', 15,
      layer = 'l7_proxy' AND direction = 'ingress', 14,
      layer = 'l7_proxy' AND direction = 'egress', 13,
      layer = 'l7_proxy', 12,
      layer = 'exporter', 11,
      10
    ) + view AS traffic_view,
    multiIf(
      NOT (verdict = 'dropped'), 0,
      source IN ('istio_metrics', 'linkerd_metrics') AND direction = 'ingress', 3,
      source IN ('istio_metrics', 'linkerd_metrics') AND direction = 'unknown', 2,
      source IN ('istio_metrics', 'linkerd_metrics'), 1,
      event = 'drop', 6,
      event = 'policy_verdict', 5,
      4
    ) + view AS drops_view
  FROM flow_1m
  WHERE (bucket >= toDateTime('2026-11-21 09:00:00', 'UTC') AND bucket < toDateTime('2026-11-21 10:00:00', 'UTC') OR bucket >= toDateTime('2026-11-20 09:00:00', 'UTC') AND bucket < toDateTime('2026-11-20 10:00:00', 'UTC'))
    AND type != 'sock'
    AND (event != 'trace_sock' AND NOT before_translation AND NOT ((layer NOT IN ('l4_proxy', 'l7_proxy') AND src_service != '' AND src_workload = '' AND src_entity IN ('', 'world') AND (src_namespace = '' OR (source = 'netobserv' OR layer = 'exporter'))) OR (layer NOT IN ('l4_proxy', 'l7_proxy') AND dst_service != '' AND dst_workload = '' AND dst_entity IN ('', 'world') AND (dst_namespace = '' OR (source = 'netobserv' OR layer = 'exporter')))) OR verdict = 'dropped')
),
best_of_bucket_edge AS (
  SELECT bucket_edge, if(max(traffic_view) < 10 AND max(max(traffic_view)) OVER (PARTITION BY any(place) ORDER BY any(place_time) RANGE BETWEEN 60 PRECEDING AND 60 FOLLOWING) > max(traffic_view), -1, greatest(max(traffic_view), 1)) AS traffic_best
  FROM views
  GROUP BY bucket_edge
),
best_of_drops_edge AS (
  SELECT drops_edge, if(max(drops_view) < 4 AND max(max(drops_view)) OVER (PARTITION BY any(drops_place) ORDER BY any(place_time) RANGE BETWEEN 60 PRECEDING AND 60 FOLLOWING) > max(drops_view), -1, greatest(max(drops_view), 1)) AS drops_best
  FROM views
  GROUP BY drops_edge
)
SELECT
  dst_workload,
  sumIf(measured_flows, traffic_view = traffic_best AND NOT before) AS flows,
  sumIf(measured_flows, drops_view = drops_best AND NOT before) AS drops,
  sumIf(measured_flows, traffic_view = traffic_best AND before) AS flows_before,
  sumIf(measured_flows, drops_view = drops_best AND before) AS drops_before
FROM views
JOIN best_of_bucket_edge USING bucket_edge
JOIN best_of_drops_edge USING drops_edge
WHERE traffic_view = traffic_best OR drops_view = drops_best
GROUP BY dst_workload
ORDER BY flows DESC, dst_workload
LIMIT 10001`,
    {},
  ],
}
for (const [what, [question, sql, params]] of Object.entries(statements))
  test(`${what} are asked for in one statement`, t => {
    const statement = toSql(planQuery(question, now), 10_001)
    t.is(statement.sql, sql)
    t.deepEqual(statement.params, params)
  })

const tables: [what: string, question: Partial<Query>, table: string, resolution: number, range?: [string, string]][] = [
  ['an hour', {}, 'flow_1m', 60],
  ['five minutes', { from: 'now-5m' }, 'flow_1m', 60],
  ['a minute', { from: 'now-1m' }, 'flow', 0],
  ['points of ten seconds', { every: 10 }, 'flow', 0],
  ['points of ninety seconds', { every: 90 }, 'flow', 0],
  ['points of five minutes', { every: 300 }, 'flow_1m', 60],
  ['points of an hour', { from: 'now-1d', every: 3600 }, 'flow_1h', 3600],
  ['a week', { from: 'now-7d' }, 'flow_1h', 3600],
  ['a day', { from: 'now-1d' }, 'flow_1m', 60],
  ['what minutes do not reach', { from: 'now-31d', to: 'now-30d' }, 'flow_1h', 3600],
  ['a dimension of the rollups', { by: ['src_workload'] }, 'flow_1m', 60],
  ['a dimension only records have', { by: ['src_pod'] }, 'flow', 0],
  ['a filter on what only records have', { where: 'src_address IN 10.0.0.0/8' }, 'flow', 0],
  ['a filter on a dimension of the rollups', { where: 'namespace = shop' }, 'flow_1m', 60],
  ['requests', { metrics: ['requests'] }, 'request_1m', 60],
  ['a kind without rollups', { metrics: ['records'], kind: 'loss' }, 'loss', 0],
]
for (const [what, question, table, resolution] of tables)
  test(`${what}: ${table} answers`, t => {
    const plan = planQuery({ metrics: ['flows'], ...question }, now)
    t.deepEqual([plan.table, plan.resolution], [table, resolution])
  })

const ranges: [question: Partial<Query>, from: string, to: string][] = [
  [{ from: '2026-11-21T09:00:30Z', to: '2026-11-21T09:10:01Z' }, '2026-11-21T09:00:00.000Z', '2026-11-21T09:11:00.000Z'],
  [{ from: '2026-11-21T09:01:00Z', to: '2026-11-21T09:14:00Z', every: 300 }, '2026-11-21T09:00:00.000Z', '2026-11-21T09:15:00.000Z'],
  [{ from: '2026-11-21T09:00:30.5Z', to: '2026-11-21T09:01:30Z' }, '2026-11-21T09:00:30.500Z', '2026-11-21T09:01:30.000Z'],
]
for (const [question, from, to] of ranges)
  test(`from ${question.from} to ${question.to} is widened to whole intervals${question.every ? ` of ${question.every} seconds` : ''}`, t => {
    const plan = planQuery({ metrics: ['flows'], ...question }, now)
    t.deepEqual(
      [plan.from, plan.to].map(micros => new Date(micros / 1000).toISOString()),
      [from, to],
    )
  })

test('no value of a filter is ever in the statement', t => {
  const { sql, params } = toSql(planQuery({ metrics: ['flows'], where: `src_pod = 'x''); DROP TABLE flow; --'` }, now), 10)
  t.false(sql.includes('DROP'))
  t.deepEqual(params, { p1: "x'); DROP TABLE flow; --" })
})
