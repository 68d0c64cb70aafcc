import type { ObjectVersion } from '../../schema/object.ts'
import { nodeSpecOf } from '../node-spec.ts'
import { type Pod, labelsOf } from './pod.ts'
import type { TemplateNode } from './template/fields.ts'
import { readSpiffeId } from './spiffe-id.ts'

/** What of a registration entry of SPIRE decides who gets its SPIFFE ID. */
export interface Entry {
  cluster: string
  spiffeId: string
  parent: string
  /** Names nodes, not workloads. */
  node: boolean
  /** Of the attestor for Kubernetes, without their type. */
  selectors: readonly string[]
  /** Of other attestors. */
  others: readonly string[]
  /** When it expires, microseconds. */
  expires: number
  /** Numeric identity of Cilium it stands for. */
  number?: number
}

/** How well an entry fits a pod: `perhaps` when what is left to check is not known to us, such as the container. */
export type Fit = 'no' | 'perhaps' | 'yes'

interface EntrySpec {
  parent?: string
  node?: boolean
  expires_at?: number
}

const kubernetes = 'k8s:'
const checked = /^(?:ns|sa|pod-name|pod-uid|pod-label|node-name):/

/** Throws SyntaxError where `spec` is no JSON. */
export function entryOf({ cluster = '', spiffe_id = '', labels = [], spec = '{}' }: ObjectVersion): Entry {
  const { parent = '', node = false, expires_at = 0 } = JSON.parse(spec || '{}') as EntrySpec
  const ours = labels.filter(text => text.startsWith(kubernetes)).map(text => text.slice(kubernetes.length))
  const others = labels.filter(text => !text.startsWith(kubernetes))
  const number = others.includes('cilium:mutual-auth') ? /\/identity\/(\d+)$/.exec(spiffe_id)?.[1] : undefined
  return {
    cluster,
    spiffeId: spiffe_id,
    parent,
    node,
    selectors: ours,
    others,
    expires: expires_at > 0 ? expires_at * 1e6 : Infinity,
    number: number === undefined ? undefined : Number(number),
  }
}

/** Whether all selectors of an entry are among those of a pod. */
export function fits({ selectors, others }: Pick<Entry, 'selectors' | 'others'>, own: ReadonlySet<string>): Fit {
  if (!selectors.length) return 'no'
  let unknown = others.length > 0
  for (const selector of selectors) {
    if (own.has(selector)) continue
    if (checked.test(selector)) return 'no'
    unknown = true
  }
  return unknown ? 'perhaps' : 'yes'
}

/** The selector an entry is found by: the one the fewest pods have. */
export function rarest(selectors: readonly string[]): string {
  const order = ['pod-uid:', 'pod-name:', 'pod-label:', 'sa:', 'ns:', 'node-name:']
  const rank = (text: string) => (order.findIndex(prefix => text.startsWith(prefix)) + order.length + 1) % (order.length + 1)
  return selectors.filter(text => checked.test(text)).sort((a, b) => rank(a) - rank(b))[0] ?? ''
}

export interface Node extends TemplateNode {
  cluster: string
}

/** A node of Kubernetes; without what its `spec` says where that is no JSON. */
export function nodeOf(version: ObjectVersion): Node {
  const { cluster = '', name = '', uid = '', spec = '' } = version
  const { podCIDRs, providerID = '' } = nodeSpecOf(spec)
  return { cluster, name, uid, labels: labelsOf(version), ...(podCIDRs && { podCidr: podCIDRs[0] ?? '', providerId: providerID }) }
}

/** Whether an agent that is called `parent` may be on the node; true where that cannot be told. */
export function mayBeOn(parent: string, node: TemplateNode | undefined, aliases: readonly Entry[]): boolean {
  const uid = /^\/spire\/agent\/k8s_p?sat\/[^/]+\/([^/]+)$/.exec(readSpiffeId(parent)?.path ?? '')?.[1]
  if (uid) return !node || node.uid === uid
  return !node || !aliases.length || aliases.some(alias => isAlias(alias, node))
}

function isAlias({ others }: Entry, { uid, name, labels }: TemplateNode): boolean {
  return others.every(selector => {
    const [, key, value] = /^k8s_p?sat:agent_node_(uid|name|label):(.*)$/.exec(selector) ?? []
    if (key === 'uid') return value === uid
    if (key === 'name') return value === name
    return key !== 'label' || labels.get(value.slice(0, value.indexOf(':'))) === value.slice(value.indexOf(':') + 1)
  })
}

/** Names by which a pod’s entries are looked for. */
export const lookedFor = (pod: Pod, selectors: ReadonlySet<string>) => [...selectors, ''].map(selector => `${pod.cluster}|${selector}`)
