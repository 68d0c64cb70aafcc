import { orientationSources, orientations } from '../../schema/vocabulary.ts'
import type { ObjectTable } from '../tables/objects.ts'
import { type Draft, type Step } from '../step.ts'

const synAndAck = 0b10010
const syn = 0b00010
const [unknown, forward, reply] = orientations.map((_, code) => code)
const sources = Object.fromEntries(orientationSources.map((name, code) => [name, code])) as Record<
  (typeof orientationSources)[number],
  number
>

/**
 * Which end called which: by what the reporter says, else by the SYN, else by a port some service listens on, else by the lower
 * port. Requests are turned round by their source already: the server is their destination.
 */
export function orientation(objects: ObjectTable): Step {
  return {
    name: 'orientation',
    enrich(draft) {
      if (draft.kind.name === 'flow') orientFlows(draft, objects)
      else draft.setPorts('server_port', draft.block.numbers('dst_port') as Uint16Array)
    },
  }
}

function orientFlows(draft: Draft, objects: ObjectTable): void {
  const { block } = draft
  const isReply = block.labels('is_reply')
  const [yes, no] = ['yes', 'no'].map(text => isReply.keys.indexOf(text))
  const flags = block.numbers('tcp_flags')
  const from = block.numbers('src_port')
  const to = block.numbers('dst_port')
  const ways = new Uint8Array(block.rows)
  const reasons = new Uint8Array(block.rows)
  const serverPorts = new Uint16Array(block.rows)
  for (let row = 0; row < block.rows; row++) {
    const code = isReply.codes[row]
    let way = unknown
    let source = sources.none
    if (code === yes || code === no) {
      way = code === yes ? reply : forward
      source = sources.is_reply
    } else if (flags[row] & syn) {
      way = (flags[row] & synAndAck) === synAndAck ? reply : forward
      source = sources.syn
    } else if (from[row] !== to[row] && from[row] && to[row]) {
      const served = objects.isServerPort(to[row])
      const known = served !== objects.isServerPort(from[row])
      way = (known ? served : to[row] < from[row]) ? forward : reply
      source = known ? sources.service : sources.lower_port
    }
    ways[row] = way
    reasons[row] = source
    serverPorts[row] = way === reply ? from[row] : to[row]
  }
  draft.setLabels('orientation', { keys: keysOf(orientations), codes: shifted(ways) })
  draft.setLabels('orientation_source', { keys: keysOf(orientationSources), codes: shifted(reasons) })
  draft.setPorts('server_port', serverPorts)
}

/** A dictionary begins with ''. */
const keysOf = (values: readonly string[]) => ['', ...values]

function shifted(codes: Uint8Array): Uint8Array {
  for (let row = 0; row < codes.length; row++) codes[row]++
  return codes
}
