// The same datagrams of IPFIX over loopback, at the same pace, to weir and to goflow2, one after the other.
// node test/benchmarks/ipfix-peer.ts --peer path/to/goflow2 [--seconds 8] [--rate 80000]
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ipfixFeed, ipfixTemplate, recordsPerDatagram } from './ipfix-feed.ts'

const { values } = parseArgs({
  options: { peer: { type: 'string' }, seconds: { type: 'string', default: '8' }, rate: { type: 'string', default: '80000' } },
})
const [seconds, rate] = [Number(values.seconds), Number(values.rate)]
const feed = ipfixFeed(4000)
const port = 24_739
const metricsPort = 24_740

interface Collector {
  start(directory: string): Promise<ChildProcess>
  /** Flows it has read so far. */
  count(process: ChildProcess): Promise<number>
}

const weir: Collector = {
  async start() {
    const child = fork(new URL('ipfix-receive.ts', import.meta.url), [String(port)])
    await once(child, 'message')
    return child
  },
  async count(child) {
    child.send('count')
    const [{ flows }] = (await once(child, 'message')) as [{ flows: number }]
    return flows
  },
}

/** Protobuf to nowhere, its smallest output. */
const goflow2: Collector = {
  async start(directory) {
    const listen = ['-listen', `netflow://127.0.0.1:${port}?count=1`, '-addr', `127.0.0.1:${metricsPort}`, '-templates.path', '/templates']
    const output = ['-format', 'bin', '-transport', 'file', '-transport.file', '/dev/null', '-loglevel', 'error']
    const child = spawn(values.peer ?? '', [...listen, ...output], { cwd: directory, stdio: 'ignore' })
    await sleep(1000)
    return child
  },
  async count() {
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
    const lines = text
      .split('\n')
      .filter(line => line.startsWith('goflow2_flow_process_nf_flowset_records_total') && line.includes('"DataFlowSet"'))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  },
}

/** Seconds of processor time, of Linux. */
async function processorSeconds(child: ChildProcess): Promise<number> {
  const fields = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function send(): Promise<number> {
  const socket = createSocket('udp4')
  const put = (bytes: Buffer) => new Promise<void>(resolve => socket.send(bytes, port, '127.0.0.1', () => resolve()))
  await put(ipfixTemplate())
  await sleep(200)
  const start = performance.now()
  let sent = 0
  for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - start) {
    const due = (elapsed / 1000) * (rate / recordsPerDatagram)
    while (sent < due) await put(feed[sent++ % feed.length])
    await breathe()
  }
  socket.close()
  return sent * recordsPerDatagram
}

for (const [name, collector] of Object.entries(values.peer ? { weir, goflow2 } : { weir })) {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-ipfix-'))
  const child = await collector.start(directory)
  // A first round, in which both become warm.
  await send()
  const before = [await processorSeconds(child), await collector.count(child)]
  const sent = await send()
  await sleep(1500)
  const [cpu, flows] = [(await processorSeconds(child)) - before[0], (await collector.count(child)) - before[1]]
  const perSecond = Math.round(flows / cpu).toLocaleString('en')
  console.log(
    `${name}: ${flows.toLocaleString('en')} of ${sent.toLocaleString('en')} flows in ${cpu.toFixed(2)} s of processor: ${perSecond} flows/s of one core`,
  )
  child.kill()
  await once(child, 'exit')
  await rm(directory, { recursive: true })
}
