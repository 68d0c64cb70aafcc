import { addressAndPort } from './address.ts'
import type { End } from './ends.ts'
import type { Described } from './meaning.ts'

export const workloadKinds = {
  deployment: 'Deployment',
  statefulset: 'StatefulSet',
  daemonset: 'DaemonSet',
  cronjob: 'CronJob',
  job: 'Job',
  k8s_job: 'Job',
  replicaset: 'ReplicaSet',
  replicationcontroller: 'ReplicationController',
} as const

/** Labels with the name of a workload, the owner of another before that. */
export const workloadLabels = Object.keys(workloadKinds) as (keyof typeof workloadKinds)[]

/** Who was measured, as scrapers and OpenTelemetry's resources say it beside what a proxy says. A plain `job` is Prometheus' own. */
export function ownEnd({ label, target }: Described): End {
  const attribute = (name: string) => label(`k8s.${name}.name`) || label(`k8s_${name}_name`)
  const named = (kind: (typeof workloadLabels)[number]) => (kind === 'job' ? '' : label(kind)) || attribute(kind)
  const kind = workloadLabels.find(named)
  return {
    namespace: label('namespace') || attribute('namespace'),
    pod: label('pod') || attribute('pod'),
    workload: kind && named(kind),
    workload_kind: kind && workloadKinds[kind],
    address: (addressAndPort(label('instance')) ?? addressAndPort(target.reporter))?.address,
  }
}
