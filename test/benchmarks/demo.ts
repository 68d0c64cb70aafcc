import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import http2 from 'node:http2'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { runDemo } from '../../collectors/demo/index.ts'
import { firstPlan } from '../../collectors/demo/plan.ts'
import { FlowStream } from '../../collectors/demo/stream.ts'
import { Traffic } from '../../collectors/demo/traffic.ts'
import { loadObserverProto } from '../../collectors/hubble/proto.ts'
import { framed } from '../../collectors/demo/grpc.ts'
import { openEmbeddedBus } from '../../runtime/bus/embedded.ts'
import { openLog } from '../../runtime/log.ts'
import { kinds, topicOf } from '../../schema/record.ts'

// What the demo costs: node test/benchmarks/demo.ts [--rate 20000] [--seconds 5]
const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '5' },
    drain: { type: 'string' },
    since: { type: 'string' },
  },
})
const rate = Number(values.rate)
const seconds = Number(values.seconds)
const now = Math.floor(Date.now() / 1000)

if (values.drain) await drain(values.drain, Number(values.since))
else {
  await serve()
  make(200, 300)
  make(rate, seconds)
}

/** CPU of making flows: first as events, then as bytes. */
function make(flowsPerSecond: number, ticks: number) {
  const plan = firstPlan({ seed: 1, rate: flowsPerSecond, now })
  const run = (name: string, each: (tick: number) => number) => {
    for (let i = 0; i < ticks; i++) each(now + i)
    const cpu = process.cpuUsage()
    let count = 0
    for (let i = 0; i < ticks; i++) count += each(now + ticks + i)
    const { user, system } = process.cpuUsage(cpu)
    console.log(`${name.padEnd(40)} ${((user + system) / (ticks * flowsPerSecond)).toFixed(2)} us of CPU a flow`)
    return count
  }
  const traffic = new Traffic(plan)
  run(`events at ${flowsPerSecond} a second`, tick => traffic.events(tick).length)
  const stream = new FlowStream(plan)
  const encode = (tick: number) => [...stream.encode(tick * 1e6, tick * 1e6 + 1e6)].reduce((sum, bytes) => sum + bytes.length, 0)
  const bytes = run(`events and bytes at ${flowsPerSecond} a second`, encode)
  console.log(`${''.padEnd(40)} ${Math.round(bytes / (ticks * flowsPerSecond))} bytes a flow`)
}

/** CPU of the whole process while another one reads: the hour before the first start, then live. */
async function serve() {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'weir-demo-benchmark-'))
  const log = openLog({ write: () => {} })
  try {
    await using bus = await openEmbeddedBus({ path: path.join(dataDir, 'bus.sqlite'), log })
    await bus.ensureTopic(topicOf(kinds.object), { compacted: true })
    await using demo = await runDemo({ bus, dataDir, rate, seed: 1, log, signal: new AbortController().signal })
    const child = spawn(
      process.execPath,
      [import.meta.filename, '--drain', demo.address, '--since', String(now - 3600), '--seconds', String(seconds)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    let before = process.cpuUsage()
    for await (const line of child.stdout) {
      const { user, system } = process.cpuUsage(before)
      before = process.cpuUsage()
      console.log(`${String(line).trim()}, ${((user + system) / 1e6).toFixed(2)} s of CPU here`)
    }
    console.log(`${Math.round(process.memoryUsage().rss / 1e6)} MB resident`)
  } finally {
    await rm(dataDir, { recursive: true })
  }
}

/** Reads without decoding: the hour before the first start, then what comes live. */
async function drain(address: string, since: number) {
  const session = http2.connect(`http://${address}`, { settings: { initialWindowSize: 1 << 22 } })
  session.once('connect', () => session.setLocalWindowSize(1 << 24))
  const request = loadObserverProto().lookupType('observer.GetFlowsRequest')
  let bytes = 0
  const ask = (message: object) => {
    const headers = { ':method': 'POST', ':path': '/observer.Observer/GetFlows', 'content-type': 'application/grpc', te: 'trailers' }
    const call = session.request(headers)
    call.on('data', (part: Buffer) => (bytes += part.length))
    call.end(framed(request.encode(request.fromObject(message)).finish()))
    return call
  }
  const started = performance.now()
  await once(ask({ since: { seconds: since }, until: { seconds: since + 3600 } }), 'end')
  console.log(`the past hour: ${(bytes / 1e6).toFixed(0)} MB in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  bytes = 0
  ask({ follow: true })
  await new Promise(resolve => setTimeout(resolve, seconds * 1000))
  console.log(`live: ${(bytes / 1e6 / seconds).toFixed(1)} MB/s for ${seconds} s`)
  session.destroy()
}
