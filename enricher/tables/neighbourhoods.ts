import ipaddr from 'ipaddr.js'
import { addressBytes, readAddress, writeAddress } from '../../runtime/block/address.ts'
import { nodeSpecOf } from '../node-spec.ts'
import { Prefixes } from './prefixes.ts'

/** Bits of the neighbourhood of an address, of 128: a /24 of IPv4, a /64 of IPv6. */
const nearBits = { ipv4: 120, ipv6: 64 } as const
const ipv4Bits = 96
const ownRanges = ['private', 'carrierGradeNat', 'uniqueLocal']

/**
 * Where the pods and services of a cluster have their addresses: the ranges its nodes give to pods, and what is near the address of a pod, or near the
 * private address of a service. An address in there of which nothing is known may be that of a pod nobody has told of yet.
 */
export class Neighbourhoods {
  readonly #clusters = new Map<string, Prefixes>()
  /** What nodes say of their ranges, and how many versions of nodes say it. */
  readonly #ranges = new Map<string, number>()
  readonly #words = new Int32Array(addressBytes / 4)
  readonly #bytes = new Uint8Array(this.#words.buffer)

  has(cluster: string, words: Int32Array, at: number): boolean {
    return this.#clusters.get(cluster)?.has(words, at) ?? false
  }

  addNear(cluster: string, words: Int32Array, onlyPrivate: boolean): void {
    this.#changeNear(cluster, words, onlyPrivate, true)
  }

  /** Takes back what was added for one address of one version. */
  removeNear(cluster: string, words: Int32Array, onlyPrivate: boolean): void {
    this.#changeNear(cluster, words, onlyPrivate, false)
  }

  #changeNear(cluster: string, words: Int32Array, onlyPrivate: boolean, add: boolean): void {
    const isIpv4 = words[0] === 0 && words[1] === 0 && words[2] === -65536
    const prefixes = this.#of(cluster)
    const bits = isIpv4 ? nearBits.ipv4 : nearBits.ipv6
    if (onlyPrivate && !isPrivate(words)) return
    if (add) prefixes.add(words, 0, bits)
    else prefixes.remove(words, 0, bits)
  }

  /** What a node says of itself, as JSON with `podCIDRs`; other texts say nothing. */
  addRanges(cluster: string, spec: string): void {
    if (!spec.includes('podCIDRs')) return
    const name = `${cluster}/${spec}`
    const count = this.#ranges.get(name) ?? 0
    this.#ranges.set(name, count + 1)
    if (count === 0) this.#eachRange(spec, bits => this.#of(cluster).add(this.#words, 0, bits))
  }

  /** Takes back what one version of a node said. */
  removeRanges(cluster: string, spec: string): void {
    const name = `${cluster}/${spec}`
    const count = this.#ranges.get(name)
    if (count === undefined) return
    if (count > 1) return void this.#ranges.set(name, count - 1)
    this.#ranges.delete(name)
    this.#eachRange(spec, bits => this.#of(cluster).remove(this.#words, 0, bits))
  }

  /** With the address of each in `#words`. */
  #eachRange(spec: string, take: (bits: number) => void): void {
    for (const cidr of nodeSpecOf(spec).podCIDRs ?? []) {
      if (!ipaddr.isValidCIDR(cidr)) continue
      const [address, bits] = ipaddr.parseCIDR(cidr)
      writeAddress(this.#bytes, 0, address.toString())
      take(address.kind() === 'ipv4' ? ipv4Bits + bits : bits)
    }
  }

  #of(cluster: string): Prefixes {
    let prefixes = this.#clusters.get(cluster)
    if (!prefixes) this.#clusters.set(cluster, (prefixes = new Prefixes()))
    return prefixes
  }
}

function isPrivate(words: Int32Array): boolean {
  const text = readAddress(new Uint8Array(words.buffer, words.byteOffset, addressBytes), 0)
  return text !== '' && ownRanges.includes(ipaddr.process(text).range())
}
