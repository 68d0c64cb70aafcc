/** What a node says of itself in its `spec`. */
interface NodeSpec {
  /** Ranges it gives to pods, the first of which is its `podCIDR`. */
  podCIDRs?: readonly string[]
  providerID?: string
}

/** Says nothing where `spec` is no such JSON. */
export function nodeSpecOf(spec: string): NodeSpec {
  try {
    const { podCIDRs, providerID } = JSON.parse(spec) as { podCIDRs?: unknown; providerID?: string }
    return { podCIDRs: Array.isArray(podCIDRs) ? podCIDRs.filter(cidr => typeof cidr === 'string') : undefined, providerID }
  } catch {
    return {}
  }
}
