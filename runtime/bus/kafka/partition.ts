const seed = 0x9747b28c
const factor = 0x5bd1e995

/** The partition of a key: the one Kafka's own clients choose, so that they agree with us (murmur2). */
export function partitionOf(key: Uint8Array, partitions: number): number {
  const tail = key.length & ~3
  let h = seed ^ key.length
  for (let at = 0; at < tail; at += 4)
    h = Math.imul(h, factor) ^ mixed(key[at] | (key[at + 1] << 8) | (key[at + 2] << 16) | (key[at + 3] << 24))
  if (key.length & 3) {
    for (let at = key.length - 1; at >= tail; at--) h ^= key[at] << (8 * (at - tail))
    h = Math.imul(h, factor)
  }
  h = Math.imul(h ^ (h >>> 13), factor)
  return ((h ^ (h >>> 15)) & 0x7fffffff) % partitions
}

function mixed(word: number): number {
  const k = Math.imul(word, factor)
  return Math.imul(k ^ (k >>> 24), factor)
}
