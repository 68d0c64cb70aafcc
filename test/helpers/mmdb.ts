import ipaddr from 'ipaddr.js'

/** Writes databases in MaxMind's format (MaxMind DB File Format Specification 2.0): what to say of each CIDR. */

type Value = string | number | { [key: string]: Value }

const recordBits = 32
const marker = Buffer.concat([Buffer.from([0xab, 0xcd, 0xef]), Buffer.from('MaxMind.com')])
const types = { utf8: 2, uint16: 5, uint32: 6, map: 7, array: 11 } as const

/** A node of the tree: for a bit of 0 and of 1 the next node, what is said there, or nothing. */
type Node = [Node | number | undefined, Node | number | undefined]

export function mmdbOf(says: Readonly<Record<string, Value>>): Buffer {
  const data: Buffer[] = []
  const root: Node = [undefined, undefined]
  let size = 0
  for (const [cidr, value] of Object.entries(says)) {
    put(root, bitsOf(cidr), size)
    const bytes = encode(value)
    data.push(bytes)
    size += bytes.length
  }
  const nodes = numbered(root)
  const tree = Buffer.alloc(nodes.size * 8)
  for (const [node, number] of nodes) node.forEach((to, bit) => tree.writeUInt32BE(pointer(to, nodes), number * 8 + bit * 4))
  return Buffer.concat([tree, Buffer.alloc(16), ...data, marker, metadata(nodes.size)])
}

/** IPv4 lies below ::/96. */
function bitsOf(cidr: string): number[] {
  const [address, length] = ipaddr.parseCIDR(cidr)
  const bytes = address.kind() === 'ipv4' ? [...Array<number>(12).fill(0), ...address.toByteArray()] : address.toByteArray()
  const bits = bytes.flatMap(byte => Array.from({ length: 8 }, (_, bit) => (byte >> (7 - bit)) & 1))
  return bits.slice(0, address.kind() === 'ipv4' ? 96 + length : length)
}

function put(root: Node, bits: readonly number[], offset: number): void {
  let node = root
  for (const bit of bits.slice(0, -1)) {
    const next: Node = Array.isArray(node[bit]) ? node[bit] : [node[bit], node[bit]]
    node = node[bit] = next
  }
  node[bits.at(-1)!] = offset
}

function numbered(root: Node, nodes = new Map<Node, number>()): Map<Node, number> {
  nodes.set(root, nodes.size)
  for (const next of root) if (Array.isArray(next)) numbered(next, nodes)
  return nodes
}

const pointer = (to: Node | number | undefined, nodes: ReadonlyMap<Node, number>) =>
  to === undefined ? nodes.size : Array.isArray(to) ? nodes.get(to)! : nodes.size + 16 + to

function encode(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(types.utf8, Buffer.byteLength(value)), Buffer.from(value)])
  if (typeof value === 'number') return Buffer.concat([control(types.uint32, 4), uint32(value)])
  const entries = Object.entries(value)
  return Buffer.concat([control(types.map, entries.length), ...entries.flatMap(([key, inner]) => [encode(key), encode(inner)])])
}

function control(type: number, size: number): Buffer {
  if (size > 28 + 256) throw new Error(`${size} is longer than tests need`)
  const [first, more] = size < 29 ? [size, []] : [29, [size - 29]]
  return type < 8 ? Buffer.from([(type << 5) | first, ...more]) : Buffer.from([first, type - 7, ...more])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function metadata(nodes: number): Buffer {
  const uint16 = (value: number) => Buffer.concat([control(types.uint16, 2), Buffer.from([value >> 8, value & 255])])
  const entries = {
    node_count: encode(nodes),
    record_size: uint16(recordBits),
    ip_version: uint16(6),
    database_type: encode('Test'),
    languages: control(types.array, 0),
    binary_format_major_version: uint16(2),
    binary_format_minor_version: uint16(0),
    build_epoch: encode(1_800_000_000),
    description: encode({ en: 'made for a test' }),
  }
  return Buffer.concat([
    control(types.map, Object.keys(entries).length),
    ...Object.entries(entries).flatMap(([key, value]) => [encode(key), value]),
  ])
}
