import { setTimeout as sleep } from 'node:timers/promises'
import { openCluster } from '../../../runtime/bus/kafka/cluster.ts'
import { openLog } from '../../../runtime/log.ts'
import { kinds, topicOf } from '../../../schema/record.ts'
import type { Broker } from '../kafka/broker.ts'
import { until } from '../wait.ts'
import { type World, endEnricher, sessionSeconds } from './world.ts'

/** Something that goes wrong; resolves when nothing is wrong any more. */
export type Fault = (world: World) => Promise<void>

const killed =
  (name: 'collect' | 'enrich'): Fault =>
  async ({ weir }) => {
    const pid = await until(`${name} to run`, () => weir.pidOf(name))
    weir.kill(name)
    await until(`${name} to be started again`, () => weir.pidOf(name) && weir.pidOf(name) !== pid)
  }

async function clickhouseKilled({ server }: World) {
  await server.ready()
  process.kill(server.pid!, 'SIGKILL')
  await until('ClickHouse to be noticed to be gone', () => server.status !== 'ready')
  await server.ready()
}

async function awayAndBack(brokers: readonly Broker[], ms: number) {
  await Promise.all(brokers.map(broker => broker.kill()))
  await sleep(ms)
  await Promise.all(brokers.map(broker => broker.start()))
}

const oneOf = <T>(all: readonly T[]) => all[Math.floor(Math.random() * all.length)]

const brokerKilled: Fault = ({ kafka }) => awayAndBack([oneOf(kafka.nodes)], 1_000)

/** Its partitions go to another broker. */
async function leaderKilled({ kafka }: World) {
  const { leaders } = await layoutOf(kafka.addresses)
  await awayAndBack([kafka.nodes[oneOf(leaders) - 1]], 2_000)
}

async function layoutOf(brokers: readonly string[]) {
  await using cluster = openCluster({ brokers, clientId: 'test', log: openLog({ write: () => {} }) })
  return await cluster.persist(() => cluster.layout(topicOf(kinds.flow)))
}

/** kill -9 of everything. */
export const kills = {
  ofOthers: { 'the collector': killed('collect'), 'the enricher': killed('enrich'), ClickHouse: clickhouseKilled },
  ofKafka: { 'a broker': brokerKilled, 'a leader': leaderKilled },
} satisfies Record<string, Record<string, Fault>>

export const clickhouseAway =
  (ms: number): Fault =>
  async ({ link }) => {
    await link.cut()
    await sleep(ms)
    await link.mend()
  }

/** It has the connections and what was sent on them, and answers nothing. */
export const clickhouseHangs =
  (ms: number): Fault =>
  async ({ server }) => {
    const pid = server.pid!
    process.kill(pid, 'SIGSTOP')
    await sleep(ms)
    process.kill(pid, 'SIGCONT')
  }

export const kafkaAway =
  (ms: number): Fault =>
  ({ kafka }) =>
    awayAndBack(kafka.nodes, ms)

/** Others come and go beside the enricher: in order, killed, and stopped for so long that they are given up. */
export const enrichersComeAndGo =
  (eachMs: number): Fault =>
  async world => {
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGSTOP'] as const) {
      const second = world.startEnricher()
      await sleep(eachMs)
      second.kill(signal)
      if (signal === 'SIGSTOP') await sleep(sessionSeconds * 2_000)
      await endEnricher(second, 'SIGTERM')
    }
  }

/**
 * One is stopped with batches that are planned and under way to ClickHouse, for longer than its session. Others have stored
 * these batches, when ClickHouse gets them from it.
 */
export const enricherStopsWhileStoring =
  (eachMs: number): Fault =>
  async world => {
    const second = world.startEnricher()
    await sleep(eachMs)
    const clickhouse = world.server.pid!
    process.kill(clickhouse, 'SIGSTOP')
    // Every batch of both is planned by then, and their INSERTs hang.
    await sleep(2_500)
    second.kill('SIGSTOP')
    await sleep(sessionSeconds * 2_000)
    process.kill(clickhouse, 'SIGCONT')
    await sleep(eachMs)
    second.kill('SIGCONT')
    await sleep(eachMs)
    await endEnricher(second, 'SIGTERM')
  }
