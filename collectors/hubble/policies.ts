import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { LabelColumn } from '../../runtime/block/columns.ts'
import { TextColumns } from './columns.ts'
import type { FlowMessage } from './message.ts'
import type { Texts } from './texts.ts'

const dropped = 2
const audit = 4
/** Index of kind/namespace/name among a policy's texts. */
const reference = 3

/** The policy that decided: of a drop, or what would be one, the first that denied; else the first that allowed. */
export function decidingPolicy(message: FlowMessage): Texts | undefined {
  const allowed = message.egressAllowedBy[0] ?? message.ingressAllowedBy[0]
  if (message.verdict !== dropped && message.verdict !== audit) return allowed
  return message.egressDeniedBy[0] ?? message.ingressDeniedBy[0] ?? allowed
}

/** The columns about policies: all of them on flows, those of the deciding one on requests. */
export class PolicyColumns {
  readonly #deciding: TextColumns
  readonly #allowedBy?: TextColumns
  readonly #deniedBy?: TextColumns
  readonly #source: LabelColumn
  #dataplane = 0

  constructor(builder: BlockBuilder) {
    this.#deciding = new TextColumns(builder, ['policy_kind', 'policy_namespace', 'policy_name'])
    this.#source = builder.labels('policy_source')
    if (!('allowed_by' in builder.kind.fields)) return
    this.#allowedBy = new TextColumns(builder, ['allowed_by'], { from: reference })
    this.#deniedBy = new TextColumns(builder, ['denied_by'], { from: reference })
  }

  forget(): void {
    for (const columns of [this.#deciding, this.#allowedBy, this.#deniedBy]) columns?.forget()
    this.#dataplane = this.#source.code('dataplane')
  }

  set(row: number, message: FlowMessage): void {
    if (!message.hasPolicies) return
    const policy = decidingPolicy(message)
    if (policy) {
      this.#deciding.set(row, policy)
      this.#source.codes[row] = this.#dataplane
    }
    this.#allowedBy?.setAll(row, message.egressAllowedBy, message.ingressAllowedBy)
    this.#deniedBy?.setAll(row, message.egressDeniedBy, message.ingressDeniedBy)
  }
}
