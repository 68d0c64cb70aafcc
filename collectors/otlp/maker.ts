import type { reporterKinds } from '../../schema/vocabulary.ts'

/** Who an end is, as its sender says. Empty where it says nothing. */
export interface Claim {
  cluster: string
  namespace: string
  pod: string
  workload: string
  workload_kind: string
  service_account: string
  node: string
  /** Address of the pod, as a column has it. */
  address: Uint32Array | undefined
}

export const noClaim: Claim = {
  cluster: '',
  namespace: '',
  pod: '',
  workload: '',
  workload_kind: '',
  service_account: '',
  node: '',
  address: undefined,
}

/** Who made spans: an application, or a proxy beside or between applications. */
export interface Maker {
  reporter: string
  reporter_kind: (typeof reporterKinds)[number]
  cluster: string
  layer: '' | 'l7_proxy'
  service_name: string
  /** The end that made the span; nobody, when the maker stands between the ends. */
  own: Claim
}
