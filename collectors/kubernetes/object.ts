/** What every object of the API has. */
export interface ApiObject {
  apiVersion?: string
  metadata?: {
    uid?: string
    name?: string
    namespace?: string
    resourceVersion?: string
    creationTimestamp?: string
    deletionTimestamp?: string
    deletionGracePeriodSeconds?: number
    labels?: Readonly<Record<string, string>>
    annotations?: Readonly<Record<string, string>>
    ownerReferences?: readonly OwnerReference[]
  }
}

export interface OwnerReference {
  kind: string
  name: string
  uid: string
  controller?: boolean
}
