import type { attributionReasons } from '../../schema/vocabulary.ts'
import type { Draft } from '../step.ts'
import { type AddressTable, doubts, entityOf, isCrowd, nearby, notFound } from '../tables/address-table.ts'
import type { Attribute } from '../tables/entities.ts'
import type { ObjectTable } from '../tables/objects.ts'
import { type Reachable, neighboursBy } from './clusters.ts'
import { onlyOne } from './listening.ts'
import { portCode } from './ports.ts'

/** Of an end, the entities that tell some of its attributes in place of its own. */
export type Lent = Readonly<Partial<Record<Attribute, number>>>

/** Who an end was, or who it may have been, where its address alone does not tell. */
export interface Finding {
  /** One, or several of which it is not known which. */
  entities: readonly number[]
  reason: (typeof attributionReasons)[number]
  lent?: Lent
  /** As of an address table. */
  doubt: number
  /** Whether the record was later than all that is known of the other cluster it was found in. */
  stale: boolean
}

/** Where and when an end was: what is known of it besides its port. */
export interface Where {
  cluster: string
  table: AddressTable
  /** Microseconds; the first and the last it may have been. */
  time: number
  from: number
  to: number
  /** Of the end, four words a row. */
  addresses: Int32Array
}

/** Numbers of findings, from here up: above all that an address table answers. */
export const firstFinding = 2 ** 30

const mostFindings = 50_000
const mostCandidates = 8
/** Kinds of records whose transport protocol is told, and where. */
const protocolFields: Readonly<Record<string, string>> = { flow: 'protocol', request: 'transport' }

export type Resolver = ReturnType<typeof resolverOf>

/**
 * Who an end was where its address alone does not tell: at addresses of nodes, which pods of the host network and node ports share, at
 * addresses several services share, and in other clusters. Never a guess: without one answer the crowd stays one.
 */
export function resolverOf(objects: ObjectTable, reachable: Reachable = {}) {
  const neighboursOf = neighboursBy(reachable)
  const { listening } = objects
  const numbers = new Map<string, number>()
  let findings: Finding[] = []

  function numberOf({ entities, reason, lent, doubt = 0, stale = false }: Partial<Finding> & Pick<Finding, 'entities' | 'reason'>): number {
    const key = `${entities.join()} ${reason} ${doubt} ${stale} ${Object.values(lent ?? {}).join()}`
    const known = numbers.get(key)
    if (known !== undefined) return known
    const number = firstFinding + findings.push({ entities, reason, lent, doubt, stale }) - 1
    numbers.set(key, number)
    return number
  }

  const one = (entity: number, reason: Finding['reason'], lent?: Lent) => numberOf({ entities: [entity], reason, lent })

  /** One end of the records of a block; findings of blocks before mean nothing any more. Columns are looked at when they are needed first. */
  function open(draft: Draft, end: 'src' | 'dst') {
    const portAt = lazily(() => portsOf(draft, end))
    if (findings.length > mostFindings) {
      findings = []
      numbers.clear()
    }

    /** The same answer of the address table, or the number of a finding. */
    function resolve(found: number, row: number, where: Where): number {
      if (found === notFound.unknown) return elsewhere(row, where)
      const members = membersOf(found, where.table)
      const resolved = members && among(members, portAt()(row), where)
      if (resolved === undefined) return found
      const doubt = doubtOf(found, where.table)
      return doubt ? numberOf({ ...findings[resolved - firstFinding], doubt }) : resolved
    }

    /** What is not sure of an answer: whether one of those that had the address had ended, or which came first. */
    function doubtOf(answer: number, table: AddressTable): number {
      if (answer >= 0) return answer & (doubts.perhapsEnded | doubts.clock)
      const { clock, perhapsEnded } = table.crowd(answer)
      return (clock ? doubts.clock : 0) | (perhapsEnded ? doubts.perhapsEnded : 0)
    }

    /** Those that had the address; nothing where it is not sure whether they had it one after the other. */
    function membersOf(found: number, table: AddressTable): readonly number[] | undefined {
      if (!isCrowd(found)) return [entityOf(found)]
      const { entities, clock } = table.crowd(found)
      return clock ? undefined : entities
    }

    /** One of those that had the address, if the port tells which. */
    function among(members: readonly number[], port: number, { cluster, time }: Pick<Where, 'cluster' | 'time'>): number | undefined {
      const services = members.filter(member => listening.isService(member))
      const service = onlyOne(services.filter(each => listening.listensAt(each, port)))
      if (service !== undefined && members.length > 1) return one(service, 'service')
      const others = services.length < members.length ? members.filter(member => !listening.isService(member)) : members
      const node = others.find(member => objects.isNode(member))
      const behind = node === undefined ? undefined : listening.behindNodePort(cluster, port, time)
      if (behind !== undefined) return one(node!, 'service', { namespace: behind, service: behind })
      return ofNode(others, port) ?? ofPod(others, port) ?? (others.length < members.length ? crowdOf(others) : undefined)
    }

    /** A pod of the host network is known by the port it listens at; alone at an address it is as unsure as among others. */
    function ofNode(members: readonly number[], port: number): number | undefined {
      const pods = members.filter(member => listening.sharesNode(member))
      const listener = onlyOne(pods.filter(pod => listening.listensAt(pod, port)))
      if (listener !== undefined) return one(listener, 'listener', lentBy(listening.serviceAt(listener, port)))
      return pods.length && members.length === 1 ? numberOf({ entities: pods, reason: 'host_network' }) : undefined
    }

    /** Which of its services clients call at that port. */
    function ofPod([pod, ...others]: readonly number[], port: number): number | undefined {
      const service = others.length ? undefined : listening.serviceAt(pod, port)
      return service === undefined ? undefined : one(pod, 'object', { service })
    }

    const crowdOf = (entities: readonly number[]) => numberOf({ entities, reason: entities.length > 1 ? 'several_objects' : 'object' })

    /** Whether it may be a pod of a neighbour that nobody has told of yet. */
    function mayComeElsewhere(row: number, { cluster, addresses }: Where): boolean {
      return neighboursOf(cluster).some(
        ({ cluster, isFlat }) =>
          isFlat && objects.heartbeats.upTo(cluster) !== Infinity && objects.neighbourhoods.has(cluster, addresses, row * 4),
      )
    }

    /** What exactly one of the neighbours has. */
    function elsewhere(row: number, where: Where): number {
      const found = neighboursOf(where.cluster).flatMap(neighbour => {
        const table = objects.addresses(neighbour.cluster)
        const answer = table.look(where.addresses, row * 4, where.from, where.to)
        if (answer === notFound.unknown || answer === notFound.notThen) return []
        const reached = (membersOf(answer, table) ?? table.crowd(answer).entities).filter(member =>
          listening.isService(member) ? listening.isExternal(member, where.addresses, row * 4) : neighbour.isFlat,
        )
        return reached.length ? [{ cluster: neighbour.cluster, entities: reached, doubt: doubtOf(answer, table) }] : []
      })
      if (!found.length) return mayComeElsewhere(row, where) ? nearby : notFound.unknown
      if (found.length > 1) return crowdOf(found.flatMap(({ entities }) => entities))
      const [{ cluster, entities, doubt }] = found
      const resolved = among(entities, portAt()(row), { cluster, time: where.time }) ?? crowdOf(entities)
      const finding = findings[resolved - firstFinding]
      const reason = finding.entities.length > 1 || finding.reason === 'host_network' ? finding.reason : 'other_cluster'
      return numberOf({ ...finding, reason, doubt, stale: where.to > objects.heartbeats.upTo(cluster) })
    }

    return resolve
  }

  return {
    open,
    finding: (number: number) => findings[number - firstFinding],
    reaches: (cluster: string) => neighboursOf(cluster).length > 0,
  }
}

/** The pods among entities, as namespace/pod: eight at most, sorted, joined by commas. */
export function candidatesOf(objects: ObjectTable, entities: readonly number[]): string {
  const pods = entities.filter(entity => objects.isPod(entity))
  const names = new Set(pods.map(pod => `${objects.text('namespace', pod)}/${objects.text('pod', pod)}`))
  return [...names].sort().slice(0, mostCandidates).join(',')
}

/** The port of the end in a row where the end was called, else 0: a client's port names nobody. */
function portsOf(draft: Draft, end: 'src' | 'dst'): (row: number) => number {
  const { kind, block } = draft
  const ports = block.numbers(`${end}_port`)
  const protocols = kind.name in protocolFields ? block.labels(protocolFields[kind.name]) : undefined
  const codeAt = (row: number) => portCode(protocols ? protocols.keys[protocols.codes[row]] : '', ports[row])
  if (kind.name !== 'flow') return end === 'dst' ? codeAt : () => 0
  const ways = draft.labels('orientation')
  const called = ways.keys.indexOf(end === 'dst' ? 'forward' : 'reply')
  return row => (ways.codes[row] === called ? codeAt(row) : 0)
}

const lentBy = (service?: number): Lent | undefined => (service === undefined ? undefined : { service })

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}
