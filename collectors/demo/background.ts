import { type Moment, callBetween, ephemeral } from './dialogues.ts'
import { Flags } from './hubble-numbers.ts'
import { scrapes } from './policies.ts'
import { world } from './scene.ts'
import { workload } from './shop.ts'
import { nodePing, opening, passing } from './talk.ts'

/** What goes on whether customers come or not. */

/** The kubelet of a node asks a pod of its own whether it is well: from the address of the node. */
export function probe({ events, random, scene, start }: Moment): void {
  const at = start + random.below(990_000)
  const server = scene.anyPod(random, at, at + 4_000)
  if (!server?.node || !server.workload?.port) return
  const call = { ...callBetween(world.nodes[server.node.index], server, random, false), egress: undefined, ingress: undefined }
  passing(events, call, opening(events, call, at) + 2_000, Flags.ack | Flags.fin)
}

/** Prometheus reads the metrics of a pod, or those of a node: a hostNetwork pod there. */
export function scrape({ events, random, scene, start }: Moment): void {
  const at = start + random.below(950_000)
  const client = scene.replica(workload('prometheus'), random, at, at + 40_000)
  const server = random.chance(0.2) ? random.pick(world.nodes) : scene.anyPod(random, at, at + 40_000)
  if (!client || !server || server === client) return
  const serverPort = server.pod ? 9102 : 9100
  const call = { ...callBetween(client, server, random, false), serverPort, ingress: scrapes, clientPort: ephemeral(random) }
  passing(events, call, opening(events, call, at) + 20_000, Flags.ack | Flags.fin)
}

/** One event: a node pings another, for `cilium-health`. */
export function ping({ events, random, start }: Moment): void {
  const from = random.pick(world.nodes)
  const to = world.nodes[(world.nodes.indexOf(from) + 1 + random.below(world.nodes.length - 1)) % world.nodes.length]
  nodePing(events, from, to, start + random.below(999_000))
}
