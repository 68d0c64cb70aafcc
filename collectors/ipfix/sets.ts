import { UndecodableError } from '../protobuf/cursor.ts'
import type { Counts } from './counts.ts'
import type { HeldSet, HeldSets } from './held-sets.ts'
import type { Head } from './message.ts'
import type { DataSet, Records } from './records.ts'
import type { Message } from './run.ts'
import { type Template, TemplateReader, TooManyFields } from './template.ts'
import { uint16 } from './wire.ts'

export interface SetsOptions {
  records: Records
  held: HeldSets
  counts: Counts
  maxFields: number
  /** Told of data that is given up. */
  giveUp: (sets: readonly HeldSet[]) => void
}

const firstDataSet = 256
const setIds = { 9: { templates: 0, options: 1 }, 10: { templates: 2, options: 3 } } as const

/** Reads the sets of a message of NetFlow 9 or IPFIX: templates, and the data they describe. */
export class Sets {
  readonly #options: SetsOptions
  readonly #reader: TemplateReader

  constructor(options: SetsOptions) {
    this.#options = options
    this.#reader = new TemplateReader(options.maxFields)
  }

  /** Returns how many records of data there were, undefined when nobody can tell. Rejects with UndecodableError. */
  async take({ version, start, end }: Head, message: Message, bytes: Uint8Array): Promise<number | undefined> {
    let count: number | undefined = 0
    for (let at = start; at < end; at += uint16(bytes, at + 2)) {
      const id = uint16(bytes, at)
      const set = { message, bytes, start: at + 4, end: at + uint16(bytes, at + 2) }
      if (id < firstDataSet) await this.#takeTemplates(id, version === 10 ? 10 : 9, set)
      else {
        const taken = await this.#takeData(id, set)
        count = taken === undefined || count === undefined ? undefined : count + taken
      }
    }
    return count
  }

  async #takeTemplates(id: number, version: 9 | 10, { message, bytes, start, end }: DataSet): Promise<void> {
    const { templates, options } = setIds[version]
    if (id !== templates && id !== options) return this.#options.counts.discard(1, 'unknown_kind')
    const reader = this.#reader
    const read = {
      9: () => (id === options ? reader.netflowOptions() : reader.netflow()),
      10: () => (id === options ? reader.ipfixOptions() : reader.ipfix()),
    }[version]
    reader.open(bytes, start, end)
    try {
      while (reader.more) {
        const template = read()
        const at = reader.at
        await this.#declare(template, message)
        // What had waited for the template may have been read in the meantime.
        reader.open(bytes, at, end)
      }
    } catch (error) {
      if (!(error instanceof TooManyFields)) throw error
      this.#options.counts.discard(1, 'over_limit')
    }
  }

  async #declare(template: Template, { session, received }: Message): Promise<void> {
    if (template.fields.length === 0) return session.withdraw(template.id)
    if (template.id < firstDataSet || template.fields.every(({ length }) => length === 0))
      throw new UndecodableError(`a template ${template.id} of no use`, this.#reader.at)
    if (!session.declare(template, received / 1000)) return this.#options.counts.discard(1, 'over_limit')
    for (const { message, bytes } of this.#options.held.take(session, template.id))
      await this.#takeData(template.id, { message, bytes, start: 0, end: bytes.length })
  }

  async #takeData(id: number, set: DataSet): Promise<number | undefined> {
    const { message, bytes, start, end } = set
    const plan = message.session.plan(id, message.received / 1000)
    if (plan) return this.#options.records.take(plan, set)
    this.#options.giveUp(this.#options.held.add({ message, id, bytes: bytes.subarray(start, end) }))
    return undefined
  }
}
