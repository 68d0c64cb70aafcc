import { addressBytes, readAddress, writeAddress } from '../../runtime/block/address.ts'
import { wideAt } from '../../runtime/block/block.ts'
import type { Draft, Step } from '../step.ts'
import { notFound } from '../tables/address-table.ts'
import { Combinations } from '../tables/combinations.ts'
import { type NameTable, nameAt } from '../tables/names.ts'
import type { ObjectTable } from '../tables/objects.ts'

type End = 'src' | 'dst'

/**
 * The name of an end outside, where the source knows none: the one that the other end had got its address for, by the answers of DNS that
 * some source saw. Answers are known from when they were read on, by other enrichers a moment later: a flow that is stored before has no name.
 */
export function dns(names: NameTable, objects: ObjectTable): Step {
  const complete = completeFrom(names)
  const learn = learnInto(names, objects)
  return {
    name: 'dns',
    enrich(draft) {
      if (draft.kind.name === 'request') learn(draft)
      if (names.size) for (const end of ['src', 'dst'] as const) complete(draft, end)
    },
  }
}

/** By pod where it is known, since that has several addresses; else by address; else all clients of the cluster that nobody knows are one. */
const podClient = (cluster: string, namespace: string, pod: string) => `${cluster}/${namespace}/${pod}`
const addressClient = (cluster: string, address: string) => `${cluster}|${address}`

function learnInto(names: NameTable, objects: ObjectTable) {
  const words = new Int32Array(addressBytes / 4)
  const bytes = new Uint8Array(words.buffer)

  /** The text of an answer that is an address, as texts of addresses are here, and is nobody's in the cluster. */
  function outside(answer: string, cluster: string, time: number): string {
    if (!answer || !writeAddress(bytes, 0, answer)) return ''
    return objects.addresses(cluster).find(words, 0, time) === notFound.unknown ? readAddress(bytes, 0) : ''
  }

  return function learn(draft: Draft) {
    const { block } = draft
    const protocols = block.labels('protocol')
    const dnsCode = protocols.keys.indexOf('dns')
    if (dnsCode < 0 || !block.has('dns_answers')) return
    const [clusters, queries, namespaces, pods] = ['cluster', 'dns_query', 'src_namespace', 'src_pod'].map(name => draft.labels(name))
    const [answers, ttls, times, clients] = [
      block.textLists('dns_answers'),
      block.numbers('dns_ttl'),
      block.words('time'),
      block.addresses('src_address'),
    ]
    for (let row = 0; row < block.rows; row++) {
      if (protocols.codes[row] !== dnsCode || !answers[row].length) continue
      const name = queries.keys[queries.codes[row]].replace(/\.$/, '')
      if (!name) continue
      const cluster = clusters.keys[clusters.codes[row]]
      const time = wideAt(times, row)
      const known = clientsOf(cluster, {
        namespace: namespaces.keys[namespaces.codes[row]],
        pod: pods.keys[pods.codes[row]],
        address: readAddress(clients, row * addressBytes),
      })
      for (const answer of answers[row]) {
        const address = outside(answer, cluster, time)
        if (address) for (const client of known) names.learn(client, address, { name, time, ttl: ttls[row] })
      }
    }
  }
}

/** Under which names a client is remembered: as pod and by its address, since not every record knows both. */
function clientsOf(cluster: string, { namespace, pod, address }: { namespace: string; pod: string; address: string }): string[] {
  return [...(pod ? [podClient(cluster, namespace, pod)] : []), ...(address || !pod ? [addressClient(cluster, address)] : [])]
}

function completeFrom(names: NameTable) {
  const addressNumbers = new Combinations()
  const clientNumbers = new Combinations()
  const pairs = new Combinations()

  return function complete(draft: Draft, end: End) {
    const { block } = draft
    const other = end === 'src' ? 'dst' : 'src'
    const told = draft.labels(`${end}_dns_name`)
    const untold = told.keys.indexOf('')
    const [pod, node, service] = ['pod', 'node', 'service'].map(field => draft.labels(`${end}_${field}`))
    const [noPod, noNode, noService] = [pod, node, service].map(({ keys }) => keys.indexOf(''))
    if (Math.min(untold, noPod, noNode, noService) < 0) return
    const [clusters, namespaces, pods] = [draft.labels('cluster'), draft.labels(`${other}_namespace`), draft.labels(`${other}_pod`)]
    const addresses = block.addressWords(`${end}_address`)
    const clients = block.addressWords(`${other}_address`)
    const times = block.words('time')
    const found: ReturnType<NameTable['answers']>[] = []
    const keys = [...told.keys]
    const codeOf = new Map(keys.map((key, code) => [key, code]))
    let codes: Uint16Array | undefined
    for (const seen of [addressNumbers, clientNumbers, pairs]) seen.clear()

    const keyOfClient: string[] = []
    const textOfAddress: string[] = []

    function clientAt(row: number): number {
      const pod = pods.codes[row]
      return pods.keys[pod]
        ? clientNumbers.number(pod, namespaces.codes[row], clusters.codes[row], 0) * 2
        : clientNumbers.number(addressNumber(addressNumbers, clients, row), clusters.codes[row], -1, 0) * 2 + 1
    }

    /** A pod is asked for by its name alone: its address may have been another's a minute ago. */
    function clientKey(row: number): string {
      const cluster = clusters.keys[clusters.codes[row]]
      const pod = pods.keys[pods.codes[row]]
      return pod ? podClient(cluster, namespaces.keys[namespaces.codes[row]], pod) : addressClient(cluster, textOf(clients, row))
    }

    /** Looked for once for each pair in a block. */
    function answersAt(row: number) {
      const client = clientAt(row)
      const address = addressNumber(addressNumbers, addresses, row)
      const pair = pairs.number(client, address, 0, 0)
      if (pair < found.length) return found[pair]
      return (found[pair] = names.answers((keyOfClient[client] ??= clientKey(row)), (textOfAddress[address] ??= textOf(addresses, row))))
    }

    for (let row = 0; row < block.rows; row++) {
      if (told.codes[row] !== untold || pod.codes[row] !== noPod || node.codes[row] !== noNode || service.codes[row] !== noService) continue
      const name = nameAt(answersAt(row), wideAt(times, row))
      if (!name) continue
      codes ??= new Uint16Array(told.codes)
      let code = codeOf.get(name)
      if (code === undefined) codeOf.set(name, (code = keys.push(name) - 1))
      codes[row] = code
    }
    if (codes) draft.setLabels(`${end}_dns_name`, { keys, codes })
  }
}

const addressNumber = (seen: Combinations, words: Int32Array, row: number) =>
  seen.number(words[row * 4], words[row * 4 + 1], words[row * 4 + 2], words[row * 4 + 3])

const textOf = (words: Int32Array, row: number) => readAddress(new Uint8Array(words.buffer, row * addressBytes, addressBytes), 0)
