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
  uptime = 0
  /** How many sets came for which there is no template. */
  withoutTemplate = 0
  readonly #templates = new Map<number, Known>()
  readonly #interfaces = new Map<number, string>()
  readonly #limits: Limits

  constructor({
    protocol,
    exporter,
    domain,
    unit,
    limits,
  }: {
    protocol: Protocol
    exporter: Exporter
    domain: number
    unit: SequenceUnit
    limits: Limits
  }) {
    this.protocol = protocol
    this.exporter = exporter
    this.domain = domain
    this.sampling = new Sampling(exporter.options.sampling_rate)
    this.sequence = new Sequence(unit)
    this.#limits = limits
    if (exporter.domains.size < maxDomains) exporter.domains.add(domain)
  }

  get reporter(): string {
    return this.exporter.reporter(this.domain)
  }

  get templates(): number {
    return this.#templates.size
  }

  /** The plan of a set, unless its template is unknown or too old. */
  plan(id: number, now: number): Plan | undefined {
    const known = this.#templates.get(id) ?? this.exporter.templates.get(`${this.domain}/${id}`)
    if (!known || now - known.refreshed > this.#limits.templateSeconds * 1000) return undefined
    return known.plan
  }

  /** Keeps a template. Returns false when there are too many. */
  declare(template: Template, now: number): boolean {
    const known = this.#templates.get(template.id)
    if (known && isSameTemplate(known.plan.template, template)) {
      known.refreshed = now
      return true
    }
    if (!known && this.#templates.size >= this.#limits.templates) return false
    const plan = { plan: compile(template), refreshed: now }
    this.#templates.set(template.id, plan)
    const shared = this.exporter.templates
    const key = `${this.domain}/${template.id}`
    if (shared.has(key) || shared.size < this.#limits.templates) shared.set(key, plan)
    return true
  }

  /** Forgets a template, or all of flows (2) or of options (3) (RFC 7011 §8.1). */
  withdraw(id: number): void {
    const isWithdrawn = (template: Template) =>
      id === template.id || (id === 2 && template.scopes === undefined) || (id === 3 && template.scopes !== undefined)
    for (const [each, { plan }] of this.#templates) {
      if (!isWithdrawn(plan.template)) continue
      this.#templates.delete(each)
      this.exporter.templates.delete(`${this.domain}/${each}`)
    }
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
