import ipaddr from 'ipaddr.js'
import { addressBytes, readAddress } from '../../runtime/block/address.ts'
import { ConfigError } from '../../runtime/error.ts'
import type { Draft, Step } from '../step.ts'
import { Combinations } from '../tables/combinations.ts'

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

/** The name of the network of an end that is no pod, node or service: the narrowest that holds its address. */
export function network(networks: Networks = {}): Step {
  const ranges = [...parse(networks), ...parse(wellKnown)].sort((a, b) => b.bits - a.bits)
  const names = ['', ...new Set(ranges.map(({ name }) => name))]
  const seen = new Combinations()
  let codeOfSeen: number[] = []

  function codeOf(words: Int32Array, at: number): number {
    if (codeOfSeen.length >= maxRemembered) {
      seen.clear()
      codeOfSeen = []
    }
    const number = seen.number(words[at], words[at + 1], words[at + 2], words[at + 3])
    return (codeOfSeen[number] ??= names.indexOf(nameOf(readAddress(new Uint8Array(words.buffer, at * 4, addressBytes), 0))))
  }

  function nameOf(text: string): string {
    if (!text) return ''
    const address = ipaddr.process(text)
    return ranges.find(range => range.address.kind() === address.kind() && address.match(range.address, range.bits))?.name ?? ''
  }

  function name(draft: Draft, end: string) {
    const addresses = draft.block.addressWords(`${end}_address`)
    const claims = ['pod', 'node', 'service'].map(field => draft.labels(`${end}_${field}`))
    const nobody = claims.map(({ keys }) => keys.indexOf(''))
    const codes = new Uint8Array(draft.block.rows)
    for (let row = 0; row < codes.length; row++) {
      if (claims[0].codes[row] !== nobody[0] || claims[1].codes[row] !== nobody[1] || claims[2].codes[row] !== nobody[2]) continue
      codes[row] = codeOf(addresses, row * 4)
    }
    draft.setLabels(`${end}_network`, { keys: names, codes })
  }

  return {
    name: 'network',
    enrich(draft) {
      for (const end of ['src', 'dst']) name(draft, end)
    },
  }
}

function parse(networks: Networks): Range[] {
  return Object.entries(networks).flatMap(([name, cidrs]) =>
    cidrs.map(cidr => {
      if (!ipaddr.isValidCIDR(cidr))
        throw new ConfigError(`enrich.networks.${name}: expected a CIDR such as 10.0.0.0/8, got ${JSON.stringify(cidr)}`)
      const [address, bits] = ipaddr.parseCIDR(cidr)
      return { name, address, bits }
    }),
  )
}
