import { viewOf } from '../protobuf/bytes.ts'
import { Interner } from '../protobuf/interner.ts'
import type { Group } from './groups.ts'
import type { Limits } from './options.ts'
import { type Resource, readResource } from './resource.ts'

const keptBytes = 2 << 20
const longestKept = 1 << 16

/** Resources of exports, each parsed once as long as its bytes are the same: a sender's mostly are. */
export class Resources {
  readonly #options: { limits: Limits; cluster: string }
  readonly #known: Interner<Resource>

  constructor(options: { limits: Limits; cluster: string }) {
    this.#options = options
    const none = Buffer.alloc(0)
    this.#known = new Interner(
      readResource(none, 0, 0, options),
      (bytes, start, end) => readResource(bytes, start, end, options),
      keptBytes,
    )
  }

  /** Throws UndecodableError. */
  read(bytes: Buffer, { resourceStart, resourceEnd }: Group): Resource {
    if (resourceStart === resourceEnd) return this.#known.value(0)
    if (resourceEnd - resourceStart > longestKept) return readResource(bytes, resourceStart, resourceEnd, this.#options)
    return this.#known.value(this.#known.find(bytes, viewOf(bytes), resourceStart, resourceEnd))
  }
}
