import { setTimeout as sleep } from 'node:timers/promises'
import type { TestCluster } from '../kubernetes.ts'
import type { Api } from './kubelets.ts'

const retryMs = 100

/** Asks a Kubernetes API server until it answers; rejects with its words where it refuses. */
export function openApi(cluster: Pick<TestCluster, 'ask'>): Api {
  return {
    async call(method, path, body) {
      for (;;) {
        const type = method === 'PATCH' ? 'application/merge-patch+json' : undefined
        const answer = await cluster.ask(method, path, body, type).catch(() => undefined)
        if (!answer || answer.status >= 500 || answer.status === 429) await sleep(retryMs)
        else if (answer.status < 300 || answer.status === 404 || answer.status === 409) return JSON.parse(answer.body) as never
        else throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`)
      }
    },
  }
}
