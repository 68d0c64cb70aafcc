import type { BlockBuilder } from '../../runtime/block/builder.ts'
import { ItemColumns, Numbering } from './item-columns.ts'
import type { Known } from './known.ts'
import type { FlowMessage } from './message.ts'
import type { Texts } from './texts.ts'

const dropped = 2
const audit = 4
/** Index of kind/namespace/name among a policy's texts. */
const reference = 4

/**
 * The policy that decided: of a drop, or what would be one, the first that denied; else the first that allowed. Who allowed one end of what
 * was dropped all the same did not deny it: where none denied, as by default, there is none.
 */
export function decidingPolicy(message: FlowMessage): Texts | undefined {
  const isDenied = message.verdict === dropped || message.verdict === audit
  if (isDenied) return message.egressDeniedBy[0] ?? message.ingressDeniedBy[0]
  return message.egressAllowedBy[0] ?? message.ingressAllowedBy[0]
}

/** The columns about policies: all of them on flows, those of the deciding one on requests. */
export class PolicyColumns {
  readonly #numbering: Numbering
  readonly #deciding: ItemColumns
  readonly #allowedBy?: ItemColumns
  readonly #deniedBy?: ItemColumns

  constructor(builder: BlockBuilder, { policies, dictionaries }: Known, place: number) {
    this.#numbering = new Numbering(builder, policies, { dictionaries, place, width: reference + 1, most: 3 })
    this.#deciding = new ItemColumns(this.#numbering, ['policy_kind', 'policy_namespace', 'policy_name', 'policy_source'])
    if (!('allowed_by' in builder.kind.fields)) return
    this.#deciding.writeIdentities(builder.numbers('policy_revision'))
    this.#allowedBy = new ItemColumns(this.#numbering, ['allowed_by'], reference)
    this.#deniedBy = new ItemColumns(this.#numbering, ['denied_by'], reference)
  }

  forget(): void {
    for (const columns of [this.#numbering, this.#deciding, this.#allowedBy, this.#deniedBy]) columns?.forget()
  }

  set(row: number, message: FlowMessage): void {
    if (!message.hasPolicies) return
    const policy = decidingPolicy(message)
    if (policy) this.#deciding.setAll(row, [policy])
    this.#allowedBy?.setAll(row, [...message.egressAllowedBy, ...message.ingressAllowedBy])
    this.#deniedBy?.setAll(row, [...message.egressDeniedBy, ...message.ingressDeniedBy])
  }
}
