import ipaddr from 'ipaddr.js'
import { addressBytes, readAddress } from '../../runtime/block/address.ts'
import { ConfigError } from '../../runtime/error.ts'
import type { Draft, Step } from '../step.ts'
import { Combinations } from '../tables/combinations.ts'
import type { Places } from '../tables/maxmind.ts'
import { LabelBuilder } from '../tables/labels.ts'

/** CIDRs by the name of their network. */
export type Networks = Readonly<Record<string, readonly string[]>>

/** Names for what nobody named: by RFC 1918, 4193, 3927, 4291, 6598 and the rest of the world. */
const wellKnown: Networks = {
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', '100.64.0.0/10'],
  loopback: ['127.0.0.0/8', '::1/128'],
  'link-local': ['169.254.0.0/16', 'fe80::/10'],
  multicast: ['224.0.0.0/4', 'ff00::/8'],
  internet: ['0.0.0.0/0', '::/0'],
}

const maxRemembered = 200_000

interface Range {
  name: string
  address: ipaddr.IPv4 | ipaddr.IPv6
  bits: number
}

export interface NetworkOptions {
  /** Addresses by the name of the egress gateway that puts them in the place of those of pods. */
  egress?: Networks
  /** What databases know of addresses. */
  places?: Places
}

/**
 * The name of the network of an end that is no pod, node or service: the narrowest that holds its address; and the egress gateway whose
 * address it is, also where that is a node's. Of what is outside also country and autonomous system, where a database tells.
 */
export function network(networks: Networks = {}, { egress = {}, places }: NetworkOptions = {}): Step {
  const ranges = [...parse(networks, 'networks'), ...parse(wellKnown, 'networks')].sort((a, b) => b.bits - a.bits)
  const gateways = parse(egress, 'egress').sort((a, b) => b.bits - a.bits)
  const names = ['', ...new Set([...gateways, ...ranges].map(({ name }) => name))]
  const codeOf = { network: remembering(names, [...gateways, ...ranges]), gateway: remembering(names, gateways) }

  function name(draft: Draft, end: string) {
    const addresses = draft.block.addressWords(`${end}_address`)
    const claims = ['pod', 'node', 'service'].map(field => draft.labels(`${end}_${field}`))
    const nobody = claims.map(({ keys }) => keys.indexOf(''))
    const codes = new (names.length > 256 ? Uint16Array : Uint8Array)(draft.block.rows)
    const place = places && placing(draft, end, places)
    for (let row = 0; row < codes.length; row++) {
      if (claims[0].codes[row] !== nobody[0]) continue
      if (claims[1].codes[row] !== nobody[1] || claims[2].codes[row] !== nobody[2]) {
        if (gateways.length) codes[row] = codeOf.gateway(addresses, row * 4)
        continue
      }
      codes[row] = codeOf.network(addresses, row * 4)
      place?.set(row, addresses)
    }
    draft.setLabels(`${end}_network`, { keys: names, codes })
    place?.write()
  }

  return {
    name: 'network',
    enrich(draft) {
      for (const end of ['src', 'dst']) name(draft, end)
    },
  }
}

/** The code of the narrowest range that holds an address, 0 where none does. */
function remembering(names: readonly string[], ranges: readonly Range[]): (words: Int32Array, at: number) => number {
  const seen = new Combinations()
  let codeOfSeen: number[] = []

  function nameOf(text: string): string {
    if (!text) return ''
    const address = ipaddr.process(text)
    return ranges.find(range => range.address.kind() === address.kind() && address.match(range.address, range.bits))?.name ?? ''
  }

  return function codeOf(words, at) {
    if (codeOfSeen.length >= maxRemembered) {
      seen.clear()
      codeOfSeen = []
    }
    const number = seen.number(words[at], words[at + 1], words[at + 2], words[at + 3])
    return (codeOfSeen[number] ??= names.indexOf(nameOf(readAddress(new Uint8Array(words.buffer, at * 4, addressBytes), 0))))
  }
}

/** Columns of what databases say of the ends of a block; an autonomous system the source tells stays. */
function placing(draft: Draft, end: string, places: Places) {
  const { rows } = draft.block
  const countries = new LabelBuilder(rows)
  const owners = new LabelBuilder(rows)
  const numbers = `${end}_as` in draft.kind.fields ? (draft.block.numbers(`${end}_as`) as Uint32Array) : undefined

  function set(row: number, addresses: Int32Array) {
    const { as, asName, country } = places.find(addresses, row * 4)
    if (country) countries.set(row, country)
    if (asName) owners.set(row, asName)
    if (as && numbers && !numbers[row]) numbers[row] = as
  }

  function write() {
    if (!countries.isEmpty) draft.setLabels(`${end}_country`, countries.labels)
    if (!owners.isEmpty) draft.setLabels(`${end}_as_name`, owners.labels)
    if (numbers) draft.setNumbers(`${end}_as`, numbers)
  }

  return { set, write }
}

function parse(networks: Networks, setting: string): Range[] {
  return Object.entries(networks).flatMap(([name, cidrs]) => cidrs.map(cidr => ({ name, ...rangeOf(cidr, `enrich.${setting}.${name}`) })))
}

/** Networks are CIDRs; of gateways an address alone is enough. */
function rangeOf(text: string, setting: string): Omit<Range, 'name'> {
  const isGateway = setting.startsWith('enrich.egress.')
  if (isGateway && ipaddr.isValid(text)) {
    const address = ipaddr.process(text)
    return { address, bits: address.toByteArray().length * 8 }
  }
  if (!ipaddr.isValidCIDR(text))
    throw new ConfigError(
      `${setting}: expected ${isGateway ? 'an address or a CIDR' : 'a CIDR such as 10.0.0.0/8'}, got ${JSON.stringify(text)}`,
    )
  const [address, bits] = ipaddr.parseCIDR(text)
  return { address, bits }
}
