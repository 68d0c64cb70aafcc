import type { attributionReasons, attributions } from '../../schema/vocabulary.ts'
import type { Draft } from '../step.ts'
import { notFound } from '../tables/address-table.ts'
import { type Attribute, type ObjectTable, nobody } from '../tables/objects.ts'
import { type Reachable, neighboursBy } from './clusters.ts'
import { onlyOne } from './listening.ts'
import { portCode } from './ports.ts'

/** Who an end was. */
export interface Judgement {
  entity: number
  attribution: (typeof attributions)[number]
  reason: (typeof attributionReasons)[number]
  /** Who else it may have been, as namespace/pod joined by commas. */
  candidates?: string
  /** Of other entities, what they are told by. */
  lent?: Partial<Record<Attribute, number>>
}

/** Sets of entities by their numbers, which are below all that an address table answers. */
export interface Crowds {
  numberOf(members: readonly number[]): number
  members(number: number): readonly number[]
}

/** Numbers of findings, from here up. */
export const firstFinding = 2 ** 30

const mostCandidates = 8
/** Kinds of records whose transport protocol is told, and where. */
const protocolFields: Readonly<Record<string, string>> = { flow: 'protocol', request: 'transport' }

/**
 * Who an end was where its address alone does not tell: at addresses of nodes, which pods of the host network and node ports share, at
 * addresses several services share, and in other clusters. Never a guess: without one answer the crowd stays one.
 */
export function resolverOf(objects: ObjectTable, reachable: Reachable = {}) {
  const neighboursOf = neighboursBy(reachable)
  const { listening } = objects
  const findings: Judgement[] = []
  const numbers = new Map<string, number>()

  function numberOf(finding: Judgement): number {
    const key = `${finding.entity} ${finding.reason} ${Object.values(finding.lent ?? {}).join()}`
    const known = numbers.get(key)
    if (known !== undefined) return known
    const number = firstFinding + findings.push(finding) - 1
    numbers.set(key, number)
    return number
  }

  const exact = (entity: number, reason: Judgement['reason'], lent?: Judgement['lent']) =>
    numberOf({ entity, attribution: 'exact', reason, lent })

  /** One end of the records of a block. Columns are looked at when they are needed first. */
  function open(draft: Draft, end: 'src' | 'dst', crowds: Crowds) {
    const portAt = lazily(() => portsOf(draft, end))

    /** The same number, or that of a crowd, or of a finding. `found` is what the table of the cluster answered, and no empty address. */
    function resolve(found: number, row: number, where: Where): number {
      if (found === notFound.unknown) return elsewhere(row, where)
      const members = found < 0 ? crowds.members(found) : [found]
      return among(members, portAt()(row), where) ?? found
    }

    /** One of those that had the address, if the port tells which. */
    function among(members: readonly number[], port: number, { cluster, time }: Where): number | undefined {
      const services = members.filter(member => listening.isService(member))
      const service = onlyOne(services.filter(each => listening.listensAt(each, port)))
      if (service !== undefined && members.length > 1) return exact(service, 'service')
      const others = services.length < members.length ? members.filter(member => !listening.isService(member)) : members
      const node = others.find(member => objects.isNode(member))
      const behind = node === undefined ? undefined : listening.behindNodePort(cluster, port, time)
      if (behind !== undefined) return exact(node!, 'service', { namespace: behind, service: behind })
      return ofNode(others, port) ?? ofPod(others, port) ?? (others.length < members.length ? crowdOf(others) : undefined)
    }

    /** A pod of the host network is known by the port it listens at; alone at an address it is as unsure as among others. */
    function ofNode(members: readonly number[], port: number): number | undefined {
      const pods = members.filter(member => listening.sharesNode(member))
      if (!pods.length) return undefined
      const listener = onlyOne(pods.filter(pod => listening.listensAt(pod, port)))
      if (listener !== undefined) return exact(listener, 'listener', lentBy(listening.serviceAt(listener, port)))
      return members.length === 1 ? numberOf(onNodeOf(pods[0])) : undefined
    }

    /** Which of its services clients call at that port. */
    function ofPod([pod, ...others]: readonly number[], port: number): number | undefined {
      const service = others.length ? undefined : listening.serviceAt(pod, port)
      return service === undefined ? undefined : exact(pod, 'object', lentBy(service))
    }

    const crowdOf = (members: readonly number[]) => (members.length === 1 ? members[0] : crowds.numberOf(members))

    /** The node, though it is known by its pods only. */
    const onNodeOf = (pod: number): Judgement => ({
      entity: nobody,
      attribution: 'ambiguous',
      reason: 'host_network',
      candidates: candidatesOf(objects, [pod]),
      lent: { cluster: pod, node: pod, zone: pod },
    })

    /** What exactly one of the neighbours has. */
    function elsewhere(row: number, { cluster, time, addresses }: Where): number {
      const found = neighboursOf(cluster).flatMap(neighbour => {
        const members: number[] = []
        objects.addresses(neighbour.cluster).find(addresses, row * 4, time, members)
        const reached = members.filter(member =>
          listening.isService(member) ? listening.isExternal(member, addresses, row * 4) : neighbour.isFlat,
        )
        return reached.length ? [{ cluster: neighbour.cluster, members: [...new Set(reached)] }] : []
      })
      if (!found.length) return notFound.unknown
      if (found.length > 1) return crowds.numberOf(found.flatMap(({ members }) => members))
      const [{ cluster: other, members }] = found
      const resolved = among(members, portAt()(row), { cluster: other, time, addresses }) ?? crowdOf(members)
      return resolved >= 0 ? afar(resolved) : resolved
    }

    /** The same, known to be in another cluster. */
    function afar(resolved: number): number {
      if (resolved < firstFinding) return exact(resolved, 'other_cluster')
      const finding = findings[resolved - firstFinding]
      return finding.attribution === 'exact' ? exact(finding.entity, 'other_cluster', finding.lent) : resolved
    }

    return resolve
  }

  return {
    open,
    finding: (number: number) => findings[number - firstFinding],
    reaches: (cluster: string) => neighboursOf(cluster).length > 0,
  }
}

/** Where a record was seen, and when. */
export interface Where {
  cluster: string
  /** Microseconds. */
  time: number
  /** Of the end, four words a row. */
  addresses: Int32Array
}

/** The pods among entities, eight at most, sorted. */
export function candidatesOf(objects: ObjectTable, members: readonly number[]): string {
  const pods = members.filter(member => objects.text('pod', member))
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

const lentBy = (service?: number): Judgement['lent'] => (service === undefined ? undefined : { service })

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}
