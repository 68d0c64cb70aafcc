import type { BlockBuilder } from '../../runtime/block/builder.ts'
import type { LabelColumn } from '../../runtime/block/columns.ts'
import type { Claim, Maker } from './maker.ts'

const makerFields = ['reporter', 'reporter_kind', 'cluster', 'layer', 'service_name'] as const
const claimFields = ['cluster', 'namespace', 'pod', 'workload', 'workload_kind', 'service_account', 'node'] as const

interface Codes {
  maker: Uint16Array
  src?: Uint16Array
  dst?: Uint16Array
}

/** The columns that say who made a span. Their codes are found once for each maker and filling of the block. */
export class MakerColumns {
  readonly #builder: BlockBuilder
  readonly #maker: readonly LabelColumn[]
  readonly #src: readonly LabelColumn[]
  readonly #dst: readonly LabelColumn[]
  readonly #codes = new Map<Maker, Codes>()
  #filling = -1

  constructor(builder: BlockBuilder) {
    this.#builder = builder
    this.#maker = makerFields.map(name => builder.labels(name))
    this.#src = claimFields.map(name => builder.labels(`src_${name}`))
    this.#dst = claimFields.map(name => builder.labels(`dst_${name}`))
  }

  /** The maker's own end is `dst_` of a server. */
  set(row: number, maker: Maker, isServer: boolean): void {
    const codes = this.#codesOf(maker)
    write(this.#maker, codes.maker, row)
    if (isServer) write(this.#dst, (codes.dst ??= claimCodes(this.#dst, maker.own)), row)
    else write(this.#src, (codes.src ??= claimCodes(this.#src, maker.own)), row)
  }

  #codesOf(maker: Maker): Codes {
    if (this.#filling !== this.#builder.filling) {
      this.#filling = this.#builder.filling
      this.#codes.clear()
    }
    const known = this.#codes.get(maker)
    if (known) return known
    const codes = { maker: Uint16Array.from(makerFields, (name, i) => this.#maker[i].code(maker[name])) }
    this.#codes.set(maker, codes)
    return codes
  }
}

const claimCodes = (columns: readonly LabelColumn[], own: Claim) => Uint16Array.from(claimFields, (name, i) => columns[i].code(own[name]))

function write(columns: readonly LabelColumn[], codes: Uint16Array, row: number): void {
  for (let i = 0; i < codes.length; i++) columns[i].codes[row] = codes[i]
}
