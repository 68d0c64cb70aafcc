import { access, readFile, readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { parseAllDocuments } from 'yaml'
import { type KubernetesObject, type TestCluster, hasApiServer } from './kubernetes.ts'
import { until } from './wait.ts'

const rigs = process.env.WEIR_RIGS ?? path.join(homedir(), '.cache/weir-rigs/bin')
const directory = process.env.WEIR_CRDS ?? path.join(rigs, '../crds')
const projects = ['calico', 'cilium', 'consul', 'gateway-api', 'istio', 'spire'].map(name => `${name}.yaml`)

/** A CustomResourceDefinition, as far as tests look into it. */
export interface Crd extends KubernetesObject {
  spec: {
    group: string
    scope: 'Namespaced' | 'Cluster'
    names: { kind: string; plural: string }
    versions: { name: string; served: boolean; storage: boolean; schema: object; [more: string]: unknown }[]
  }
}

/** All objects of a file of YAML. */
export const readManifests = async <T = KubernetesObject>(file: string): Promise<T[]> =>
  parseAllDocuments(await readFile(file, 'utf8')).flatMap(each => (each.toJS() as T | null) ?? [])

/** The CRDs of the projects (.ci/crds) by name, and an API server to put them into; without them a test is skipped, and fails where they are required. */
export async function realCrds(t: ExecutionContext): Promise<ReadonlyMap<string, Crd> | undefined> {
  if (!(await hasApiServer(t))) return undefined
  const missing: string[] = []
  for (const file of projects) await access(path.join(directory, file)).catch(() => missing.push(file))
  if (missing.length) {
    t.log(`skipped: no ${missing.join(', ')} in ${directory}`)
    if (process.env.CI) t.fail()
    else t.pass()
    return undefined
  }
  const files = (await readdir(directory)).filter(file => file.endsWith('.yaml'))
  const real = (await Promise.all(files.map(file => readManifests<Crd>(path.join(directory, file))))).flat()
  return new Map([...linkerd, ...real].map(crd => [crd.metadata.name, crd]))
}

/** Linkerd is in no registry of packages: names, scopes and versions are Linkerd's (edge-26.8), what is in them is not looked at. Its own CRDs, put beside the others, go before these. */
const linkerd = [
  standIn('servers', 'Server', ['v1beta3', 'v1beta2', 'v1beta1', 'v1alpha1']),
  standIn('authorizationpolicies', 'AuthorizationPolicy', ['v1alpha1']),
  standIn('serverauthorizations', 'ServerAuthorization', ['v1beta1', 'v1alpha1']),
  standIn('meshtlsauthentications', 'MeshTLSAuthentication', ['v1alpha1']),
  standIn('networkauthentications', 'NetworkAuthentication', ['v1alpha1']),
]

function standIn(plural: string, kind: string, versions: readonly string[]): Crd {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  const group = 'policy.linkerd.io'
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural },
      versions: versions.map((name, at) => ({ name, served: true, storage: at === 0, schema })),
    },
  }
}

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

/** Resolves when objects of it can be made. */
export async function install(cluster: TestCluster, crd: Crd): Promise<void> {
  await cluster.create(definitions, crd)
  const first = crd.spec.versions.find(({ served }) => served)!
  const path = `/apis/${crd.spec.group}/${first.name}/${crd.spec.names.plural}`
  await until(crd.metadata.name, async () => (await cluster.ask('GET', path)).status === 200)
}

/** Resolves when it is gone, and with it all objects of it. */
export async function remove(cluster: TestCluster, { metadata: { name } }: Crd): Promise<void> {
  await cluster.delete(`${definitions}/${name}`)
  await until(`the end of ${name}`, async () => (await cluster.ask('GET', `${definitions}/${name}`)).status === 404)
}

/** Changes the definition, as a newer release of the project does. */
export const change = (cluster: TestCluster, { metadata: { name } }: Crd, spec: Partial<Crd['spec']>) =>
  cluster.patch(`${definitions}/${name}`, { spec })
