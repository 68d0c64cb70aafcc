import type { ObjectSourceContext, Source } from '../source.ts'
import { openApi } from './api.ts'
import { ClockOffset } from './clock.ts'
import { followCluster, sourceName } from './follow.ts'
import { type KubernetesOptions, clustersOf, optionsSchema } from './options.ts'
import { Report } from './report.ts'

export type { KubernetesOptions } from './options.ts'

/** Objects of Kubernetes with the time in which each was so: who had which address, and which policies there were. */
export const kubernetes: Source<KubernetesOptions, ObjectSourceContext> = {
  name: sourceName,
  about: 'Pods, services, nodes, workloads and policies of Kubernetes clusters, from their API servers.',
  options: optionsSchema,
  async run(options, context) {
    const report = new Report(context.status)
    await using stack = new AsyncDisposableStack()
    const clusters = []
    // All of them before any is followed: what is wrong in the configuration is said at once.
    for (const cluster of clustersOf(options)) {
      const clock = new ClockOffset()
      const api = stack.use(await openApi(cluster, (date, asked, answered) => clock.add(date, asked, answered)))
      clusters.push({ name: cluster.name, api, clock, report: report.add(cluster.name, context.log, clock) })
    }
    await Promise.all(clusters.map(cluster => followCluster(cluster, context)))
  },
}
