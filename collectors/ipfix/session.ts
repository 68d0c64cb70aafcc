import type { Budget } from './budget.ts'
import { type Plan, compile } from './plan.ts'
import { Sampling } from './sampling.ts'
import { Sequence, type SequenceUnit } from './sequence.ts'
import { type Template, isSameTemplate } from './template.ts'

export type Protocol = 'netflow' | 'ipfix' | 'sflow'

/** What the configuration says of an exporter. */
export interface ExporterOptions {
  /** What it is called instead of its address. */
  name?: string
  /** One packet in so many is looked at, where the exporter does not say it. */
  sampling_rate?: number
}

export interface Limits {
  exporters: number
  templates: number
  fields: number
  /** Fields of the templates of all exporters. */
  allFields: number
  templateSeconds: number
}

/** One device, as it is known by its address; several processes or observation domains of it may export. */
export class Exporter {
  readonly address: string
  readonly options: ExporterOptions
  readonly domains = new Set<number>()
  /** Templates of all its processes, by domain and number: for those that send from another port each time. */
  readonly templates = new Map<string, Known>()

  constructor(address: string, options: ExporterOptions = {}) {
    this.address = address
    this.options = options
  }

  reporter(domain: number): string {
    const name = this.options.name ?? this.address
    return this.domains.size > 1 ? `${name}/${domain}` : name
  }
}

interface Known {
  plan: Plan
  /** Milliseconds. */
  refreshed: number
}

/** An uptime that is lower by more than this is another one; by less, the datagram is late. */
const lateMs = 10_000
const maxInterfaces = 4096
const maxDomains = 1024
const maxSources = 1024

/** One exporting process and observation domain: what data of it is read with. */
export class Session {
  readonly protocol: Protocol
  readonly exporter: Exporter
  readonly domain: number
  readonly sampling: Sampling
  readonly sequence: Sequence
  /** Sequences and drops of the data sources of an sFlow agent. */
  readonly sources = new Map<string, { sequence: Sequence; drops: number }>()
  /** Counters of what the exporter itself did not send. */
  readonly notSent = new Map<string, number>()
  /** Milliseconds since 1970 at which the device started, where it said so (systemInitTimeMilliseconds in options). */
  systemInit = 0
  #uptime = 0
  readonly #templates = new Map<number, Known>()
  readonly #interfaces = new Map<number, string>()
  readonly #limits: Limits
  readonly #fields: Budget

  constructor({
    protocol,
    exporter,
    domain,
    unit,
    limits,
    fields,
  }: {
    protocol: Protocol
    exporter: Exporter
    domain: number
    unit: SequenceUnit
    limits: Limits
    fields: Budget
  }) {
    this.protocol = protocol
    this.exporter = exporter
    this.domain = domain
    this.sampling = new Sampling(exporter.options.sampling_rate)
    this.sequence = new Sequence(unit)
    this.#limits = limits
    this.#fields = fields
    if (exporter.domains.size < maxDomains) exporter.domains.add(domain)
  }

  get reporter(): string {
    return this.exporter.reporter(this.domain)
  }

  /** Notes for how many milliseconds the exporter is up: one that began anew has lost nothing. */
  noteUptime(uptime: number): void {
    const back = this.#uptime - uptime
    if (back > 0 && back <= lateMs) return
    if (back > lateMs) {
      this.sequence.restart()
      this.sources.clear()
      this.notSent.clear()
    }
    this.#uptime = uptime
  }

  /** The plan of a set, unless its template is unknown or too old. */
  plan(id: number, now: number): Plan | undefined {
    const known = this.#templates.get(id) ?? this.exporter.templates.get(this.#sharedKey(id))
    if (!known || now - known.refreshed > this.#limits.templateSeconds * 1000) return undefined
    return known.plan
  }

  /** Keeps a template. Returns false when there are too many, or too many fields in those of all exporters. */
  declare(template: Template, now: number): boolean {
    const known = this.#templates.get(template.id)
    if (known && isSameTemplate(known.plan.template, template)) {
      known.refreshed = now
      return true
    }
    if (!known && this.#templates.size >= this.#limits.templates) return false
    if (!this.#fields.take(template.fields.length)) return false
    if (known) this.#forget(known)
    const declared = { plan: compile(template), refreshed: now }
    this.#templates.set(template.id, declared)
    this.exporter.templates.set(this.#sharedKey(template.id), declared)
    return true
  }

  /** Forgets a template, or all of flows (2) or of options (3) (RFC 7011 §8.1). */
  withdraw(id: number): void {
    const isWithdrawn = (template: Template) =>
      id === template.id || (id === 2 && template.scopes === undefined) || (id === 3 && template.scopes !== undefined)
    for (const known of this.#templates.values()) if (isWithdrawn(known.plan.template)) this.#forget(known)
  }

  /** Forgets all templates: the process is not heard any more. */
  close(): void {
    for (const known of this.#templates.values()) this.#forget(known)
  }

  #forget(known: Known): void {
    const { id, fields } = known.plan.template
    this.#fields.give(fields.length)
    this.#templates.delete(id)
    if (this.exporter.templates.get(this.#sharedKey(id)) === known) this.exporter.templates.delete(this.#sharedKey(id))
  }

  #sharedKey(id: number): string {
    return `${this.domain}/${id}`
  }

  nameInterface(index: number, name: string): void {
    if (this.#interfaces.size < maxInterfaces || this.#interfaces.has(index)) this.#interfaces.set(index, name)
  }

  /** The name of an interface, or its number; '' for 0, which is none. */
  interfaceName(index: number): string {
    const known = this.#interfaces.get(index)
    if (known !== undefined) return known
    const text = index === 0 ? '' : String(index)
    if (this.#interfaces.size < maxInterfaces) this.#interfaces.set(index, text)
    return text
  }

  source(id: string): { sequence: Sequence; drops: number } | undefined {
    const known = this.sources.get(id)
    if (known || this.sources.size >= maxSources) return known
    const source = { sequence: new Sequence('datagrams'), drops: -1 }
    this.sources.set(id, source)
    return source
  }
}
