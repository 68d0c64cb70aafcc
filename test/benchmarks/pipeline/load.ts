// A process of its own: a Hubble that sends flows of a made-up cluster as fast as it is told, or as fast as they are read.
import { setTimeout as sleep } from 'node:timers/promises'
import { loadObserverProto } from '../../../collectors/hubble/proto.ts'
import { framed, serveGrpc } from '../../../collectors/demo/grpc.ts'
import { openLog } from '../../../runtime/log.ts'
import type { ObjectVersion } from '../../../schema/object.ts'
import { Cluster, versionOf } from './cluster.ts'
import { Templates } from './templates.ts'

export interface LoadOptions {
  pods: number
  /** Distinct addresses outside the cluster. */
  outside: number
  /** Pods that restart each second. */
  churn: number
  /** Flows a second; 0 for as many as are read. */
  rate: number
  seconds: number
}

export type LoadMessage = { address: string; objects: ObjectVersion[] } | { sent: number; objects: ObjectVersion[]; done: boolean }

const chunkBytes = 256 << 10
const templatesPerPod = 20
const [leastTemplates, mostTemplates] = [20_000, 200_000]
const pulseMs = 10

const options = JSON.parse(process.argv[2]) as LoadOptions
const nowMicros = () => Math.floor((performance.timeOrigin + performance.now()) * 1000)
const tell = (message: LoadMessage) => void process.send!(message)

const cluster = new Cluster(options.pods, nowMicros() - 3_600_000_000)
const count = Math.min(mostTemplates, Math.max(leastTemplates, options.pods * templatesPerPod))
const templates = new Templates({ cluster, outside: options.outside, count })
const root = loadObserverProto()
let sent = 0
let began = 0

async function* flows(): AsyncGenerator<Uint8Array> {
  began ||= performance.now()
  const end = began + options.seconds * 1000
  const chunk = Buffer.alloc(chunkBytes)
  while (performance.now() < end) {
    const due = options.rate ? Math.floor(((performance.now() - began) / 1000) * options.rate) - sent : Infinity
    if (due < 1) {
      await sleep(pulseMs)
      continue
    }
    const written = templates.write(chunk, due, nowMicros())
    sent += written.flows
    yield chunk.subarray(0, written.bytes)
  }
  clearInterval(everySecond)
  tell({ sent, objects: [], done: true })
  // A Hubble that is followed stays.
  await new Promise(() => {})
}

const status = root.lookupType('observer.ServerStatusResponse')
const methods = {
  '/observer.Observer/GetFlows': flows,
  '/observer.Observer/ServerStatus': () => [framed(status.encode(status.fromObject({ version: '1.19.4' })).finish())],
}
const listening = await serveGrpc(methods, { log: openLog({ level: 'warn' }) })

let next = 0
const everySecond = setInterval(() => {
  if (!began) return
  const objects: ObjectVersion[] = []
  for (let i = 0; i < options.churn; i++) {
    objects.push(...cluster.restart(next, nowMicros()))
    templates.renew(next)
    next = (next + 13) % options.pods
  }
  tell({ sent, objects, done: false })
}, 1000)

tell({ address: listening.address, objects: cluster.pods.map(versionOf) })
process.once('disconnect', () => process.exit())
