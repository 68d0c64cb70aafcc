import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../../collectors/demo/random.ts'
import { connect } from '../../../collectors/address.ts'
import { type Channel, openChannel } from '../../../collectors/grpc/channel.ts'
import { type Plain, encodeRecords, ip, record, time } from '../../collectors/netobserv/records.ts'
import type { Kubelets, Use } from './kubelets.ts'

/** A packet that really went from one pod to another. */
export interface Packet {
  at: number
  src: Use
  dst: Use
}

export interface PacketOptions {
  kubelets: Kubelets
  port: number
  random: Random
  /** How far the clock of each node is ahead, in milliseconds; 0 where nothing is said. */
  ahead: Readonly<Record<string, number>>
  /** How late one packet in fifty is told, in milliseconds. */
  late: number
}

/**
 * Sends what the agents of the nodes see to weir, without a word of who is who. A packet is known again by its number, which it carries as
 * its bytes.
 */
export async function openPackets({ kubelets, port, random, ahead, late }: PacketOptions) {
  const packets: Packet[] = []
  const channel = await openChannelTo(port)
  const sending = new Set<Promise<unknown>>()

  function send(entries: Plain[], delayMs: number) {
    const sent = sleep(delayMs).then(() => channel.call('/pbflow.Collector/Send', encodeRecords(entries), 60_000))
    sending.add(sent)
    void sent.finally(() => sending.delete(sent))
  }

  /** As a node's agent tells it: `src` left the node at that time by its clock. */
  function told(number: number, { at, src, dst }: Packet, agent: string): Plain {
    const when = time(at + (ahead[src.node] ?? 0))
    return record({
      bytes: number,
      packets: 1,
      time_flow_start: when,
      time_flow_end: when,
      network: { src_addr: ip(src.address), dst_addr: ip(dst.address) },
      agent_ip: ip(agent),
    })
  }

  function between(now: number): Packet | undefined {
    const alive = kubelets.alive(now)
    const [src, dst] = alive.length > 1 ? [random.pick(alive), random.pick(alive)] : []
    return src && dst && src.node !== dst.node ? { at: now, src, dst } : undefined
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const now = Date.now()
      const perNode = new Map<string, Plain[]>()
      for (let i = 0; i < 20; i++) {
        const packet = between(now)
        if (!packet) continue
        const agent = kubelets.nodes.find(({ name }) => name === packet.src.node)!.address
        const entry = told(packets.push(packet), packet, agent)
        if (random.chance(0.02)) send([entry], late)
        else perNode.set(agent, [...(perNode.get(agent) ?? []), entry])
      }
      for (const entries of perNode.values()) send(entries, random.between(0, 300))
      await sleep(80 + random.below(40))
    }
    await Promise.all(sending)
    await channel[Symbol.asyncDispose]()
  }

  return { packets, run }
}

async function openChannelTo(port: number): Promise<Channel> {
  const connection = await connect({ host: '127.0.0.1', port }, false)
  return openChannel({ authority: `127.0.0.1:${port}`, connection })
}
