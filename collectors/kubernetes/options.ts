import { ConfigError } from '../../runtime/error.ts'

/** One cluster, and how its API is reached. */
export interface ClusterOptions {
  /** What records call the cluster. */
  name: string
  /** A file; without it the service account of the pod, or where kubectl looks. */
  kubeconfig?: string
  context?: string
}

export interface KubernetesOptions {
  clusters?: ClusterOptions[]
  /** The name, the file and the context of the one cluster, where there is one. */
  cluster?: string
  kubeconfig?: string
  context?: string
}

/** A cluster with the key of the configuration that an error about it names. */
export interface ConfiguredCluster extends ClusterOptions {
  setting: string
}

const kubeconfig = {
  type: 'string',
  minLength: 1,
  expected: 'a kubeconfig file',
  description: 'File that says where the API is; by default the service account of the pod, or where kubectl looks.',
}
const context = {
  type: 'string',
  minLength: 1,
  expected: 'a context of the kubeconfig',
  description: 'Context of that file; its current one by default.',
}

export const optionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    clusters: {
      type: 'array',
      minItems: 1,
      description: 'Several clusters, each with a name of its own.',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name'],
        properties: {
          name: {
            type: 'string',
            minLength: 1,
            expected: 'the name of the cluster in records',
            description: 'Name of the cluster in records: what its agents call it.',
          },
          kubeconfig,
          context,
        },
      },
    },
    cluster: { type: 'string', default: '', description: 'Name of the only cluster in records: what its agents call it.' },
    kubeconfig,
    context,
  },
}

const setting = 'collect.kubernetes'

/** Every cluster that is meant. Throws ConfigError where that is not clear. */
export function clustersOf({ clusters, cluster = '', kubeconfig, context }: KubernetesOptions): ConfiguredCluster[] {
  if (!clusters) return [{ name: cluster, kubeconfig, context, setting }]
  for (const [key, value] of Object.entries({ cluster, kubeconfig, context }))
    if (value) throw new ConfigError(`${setting}.${key}: expected nothing beside ${setting}.clusters, got ${JSON.stringify(value)}`)
  for (const [at, { name }] of clusters.entries())
    if (clusters.findIndex(other => other.name === name) !== at)
      throw new ConfigError(`${setting}.clusters.${at}.name: expected a name that no other cluster has, got ${JSON.stringify(name)}`)
  return clusters.map((one, at) => ({ ...one, setting: `${setting}.clusters.${at}` }))
}
