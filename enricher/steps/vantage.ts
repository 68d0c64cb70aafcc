import ipaddr from 'ipaddr.js'
import { wideAt } from '../../runtime/block/block.ts'
import { addressBytes, writeAddress } from '../../runtime/block/address.ts'
import { remembered } from '../../runtime/shared.ts'
import type { RecordKind } from '../../schema/record.ts'
import { directions } from '../../schema/vocabulary.ts'
import type { Draft, Step } from '../step.ts'
import { notFound } from '../tables/address-table.ts'
import type { ObjectTable } from '../tables/objects.ts'

/**
 * Sources whose reporters are nodes that know nothing but their own address, and which way packets went. Their `ingress` is where packets
 * arrived, and unknown where the reporter could not tell.
 */
const sources = new Set(['netobserv'])

const [unknown, ingress, egress] = directions.map((_, code) => code)
const mostNodes = 10_000

/** SQL of what a stored record's source said of the direction. */
export function toldDirection({ name }: RecordKind, row: string): string {
  const turned = `${row}.source IN (${[...sources].map(source => `'${source}'`).join(', ')}) AND ${row}.orientation = 'reply'`
  const other = `transform(toString(${row}.direction), ['ingress', 'egress'], ['egress', 'ingress'])`
  const cases = [`${row}.direction_found, 'unknown'`, ...(name === 'flow' ? [`${turned}, ${other}`] : []), `toString(${row}.direction)`]
  return `CAST(multiIf(${cases.join(', ')}), 'LowCardinality(String)')`
}

/**
 * Whether a flow stayed on one node, and at which end of it its reporter is: the one that runs on its node. Of answers `ingress` is the end they came from, as with reporters
 * that know the connection.
 */
export function vantage(objects: ObjectTable): Step {
  const nodeAt = nodesOf(objects)

  function enrich(draft: Draft) {
    if (draft.kind.name === 'flow') draft.setNumbers('within_node', withinNode(draft))
    findDirections(draft)
  }

  function findDirections(draft: Draft) {
    const { block } = draft
    const names = draft.labels('source')
    const ours = names.keys.map(name => sources.has(name))
    if (!ours.some(Boolean)) return
    const told = draft.labels('direction')
    const codes = Uint16Array.from(told.codes, code => Math.max(0, directions.indexOf(told.keys[code] as (typeof directions)[number])))
    const [reporters, clusters] = [draft.labels('reporter'), draft.labels('cluster')]
    const [from, to] = [draft.labels('src_node'), draft.labels('dst_node')]
    const way = draft.kind.name === 'flow' ? draft.labels('orientation') : undefined
    const reply = way ? way.keys.indexOf('reply') : -1
    const times = block.words('time')
    const found = new Uint8Array(block.rows)
    for (let row = 0; row < block.rows; row++) {
      if (!ours[names.codes[row]]) continue
      if (codes[row] === unknown) {
        const time = wideAt(times, row)
        const node = nodeAt(clusters.keys[clusters.codes[row]], reporters.keys[reporters.codes[row]], time)
        codes[row] = sideOf(node, from.keys[from.codes[row]], to.keys[to.codes[row]])
        found[row] = Number(codes[row] !== unknown)
      }
      if (codes[row] !== unknown && way && reply >= 0 && way.codes[row] === reply) codes[row] = codes[row] === ingress ? egress : ingress
    }
    draft.setNumbers('direction_found', found)
    draft.setLabels('direction', { keys: ['', ...directions], codes: codes.map(code => code + 1) })
  }

  return { name: 'vantage', enrich }
}

/** For each row whether both ends are on the same node of the same cluster. */
function withinNode(draft: Draft): Uint8Array {
  const [nodes, clusters] = ['node', 'cluster'].map(name => {
    const [from, to] = [draft.labels(`src_${name}`), draft.labels(`dst_${name}`)]
    const codeOf = new Map(from.keys.map((key, code) => [key, code]))
    // An end whose node is not known is on none.
    if (name === 'node') codeOf.delete('')
    return { from: from.codes, to: to.codes, same: to.keys.map(key => codeOf.get(key) ?? -1) }
  })
  const within = new Uint8Array(draft.block.rows)
  for (let row = 0; row < within.length; row++)
    within[row] = Number(nodes.same[nodes.to[row]] === nodes.from[row] && clusters.same[clusters.to[row]] === clusters.from[row])
  return within
}

/** Packets between two ends on one node arrived there as well. */
const sideOf = (node: string, from: string, to: string) => (!node ? unknown : node === to ? ingress : node === from ? egress : unknown)

/** Finds the node that has an address, by the text of it; of what shares its address the node. */
function nodesOf(objects: ObjectTable) {
  const words = new Int32Array(addressBytes / 4)
  const bytes = new Uint8Array(words.buffer)
  const valid = new Map<string, boolean>()

  return function nodeAt(cluster: string, text: string, time: number): string {
    if (!remembered(valid, text, mostNodes, ipaddr.isValid) || !writeAddress(bytes, 0, text)) return ''
    const members: number[] = []
    const found = objects.addresses(cluster).find(words, 0, time, members)
    if (found !== notFound.several && found < 0) return ''
    const node = members.find(member => objects.isNode(member)) ?? members[0]
    return objects.text('node', node)
  }
}
