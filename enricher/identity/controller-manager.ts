import { ConfigError } from '../../runtime/error.ts'

/** How the spire-controller-manager of a cluster is configured, as far as it says who gets which SPIFFE ID. */
export interface ControllerManagerOptions {
  class_names?: readonly string[]
  cluster_name?: string
  cluster_domain?: string
  ignore_namespaces?: readonly string[]
}

/** What is known of a spire-controller-manager. */
export interface ControllerManager {
  /** Classes it acts on, '' for what has none; absent where nobody said. */
  classes?: readonly string[]
  clusterName?: string
  clusterDomain?: string
  /** Whether it gives nothing to the pods of a namespace. */
  ignores(namespace: string): boolean
}

/** Its own default. */
const ignoredByDefault = ['kube-system', 'kube-public', 'spire-system']

/** Throws ConfigError, by the setting of the cluster, for what is no regular expression. */
export function controllerManagerOf(options: ControllerManagerOptions = {}, setting = ''): ControllerManager {
  const { class_names, cluster_name, cluster_domain, ignore_namespaces = ignoredByDefault } = options
  const ignored = ignore_namespaces.map((text, at) => regularExpression(text, `${setting}.ignore_namespaces.${at}`))
  return {
    classes: class_names,
    clusterName: cluster_name,
    clusterDomain: cluster_domain,
    ignores: namespace => ignored.some(expression => expression.test(namespace)),
  }
}

function regularExpression(text: string, setting: string): RegExp {
  try {
    return new RegExp(text)
  } catch {
    throw new ConfigError(`${setting}: expected a regular expression, got ${JSON.stringify(text)}`)
  }
}
