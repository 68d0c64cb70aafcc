// node test/benchmarks/otelcol.ts path/to/otelcol [--seconds 6] [--warm 6] [--rounds 3], in seconds of processor time: on a busy machine those of a clock hold little of it
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Sender, openSender } from '../helpers/grpc-sender.ts'
import { spanExports } from './otlp-exports.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '6' }, warm: { type: 'string', default: '6' }, rounds: { type: 'string', default: '3' } },
})
const [peer] = positionals
if (!peer) throw new Error('expected the path of an OpenTelemetry Collector with the receiver otlp and the exporter nop')
const method = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const atOnce = 4
const sendMs = 500
const ticksPerSecond = 100

const { exports, spans } = spanExports(40_000)
const spansOf = spans / exports.length
/** Where the id of an export's first trace lies: a new one makes it an export that did not come before. */
const idAt = exports.map(bytes => bytes.indexOf(Buffer.from([0x0a, 16])) + 2)

interface Receiver {
  process: ChildProcess
  port: number
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function startWeir(made: 'blocks' | 'messages'): Promise<Receiver> {
  const port = await freePort()
  const child = fork(new URL('otlp-receive.ts', import.meta.url), [String(port), made])
  await once(child, 'message')
  return { process: child, port, stop: () => ended(child, () => child.send('stop')) }
}

async function startCollector(): Promise<Receiver> {
  const port = await freePort()
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-otelcol-'))
  const config = path.join(directory, 'config.yaml')
  const parts = {
    receivers: { otlp: { protocols: { grpc: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { nop: {} },
    service: { telemetry: { metrics: { level: 'none' } }, pipelines: { traces: { receivers: ['otlp'], exporters: ['nop'] } } },
  }
  await writeFile(config, JSON.stringify(parts))
  const child = spawn(peer, ['--config', config], { stdio: 'ignore' })
  await untilListening(port)
  const stop = async () => {
    await ended(child, () => child.kill())
    await rm(directory, { recursive: true })
  }
  return { process: child, port, stop }
}

async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isThere) return
    await sleep(100)
  }
  throw new Error(`nobody listens on port ${port}`)
}

async function ended(child: ChildProcess, end: () => unknown): Promise<void> {
  const exit = once(child, 'exit')
  end()
  await exit
}

/** Seconds of processor time, of user and system, of all threads. */
async function cpuOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Exports one after another, a few at once, until the time is over. Returns how many were taken. */
async function sendFor(ms: number, sender: Sender): Promise<number> {
  const until = performance.now() + ms
  let taken = 0
  const sendOn = async (lane: number) => {
    for (let i = lane; performance.now() < until; i += atOnce) {
      const at = i % exports.length
      randomFillSync(exports[at], idAt[at], 16)
      const call = sender.call(method)
      await call.send(exports[at])
      const { status, message } = await call.end()
      if (status !== '0') throw new Error(`status ${status}: ${message}`)
      taken++
    }
  }
  await Promise.all(Array.from({ length: atOnce }, (_, lane) => sendOn(lane)))
  return taken
}

/** Spans a second of processor time of the process that receives. */
async function measure(start: () => Promise<Receiver>): Promise<number> {
  const receiver = await start()
  await using sender = await openSender(receiver.port)
  const used = () => cpuOf(receiver.process.pid!)
  while ((await used()) < Number(values.warm)) await sendFor(sendMs, sender)
  const before = await used()
  let taken = 0
  while ((await used()) < before + Number(values.seconds)) taken += await sendFor(sendMs, sender)
  const cpu = (await used()) - before
  await receiver.stop()
  return (taken * spansOf) / cpu
}

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
const receivers = {
  'weir, blocks in the Native format': () => startWeir('blocks'),
  'weir, blocks under zstd as they go on the bus': () => startWeir('messages'),
  'Collector, exporter nop': startCollector,
}
const rates = Object.keys(receivers).map((): number[] => [])
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [i, start] of Object.values(receivers).entries()) rates[i].push(await measure(start))
}
for (const [i, name] of Object.keys(receivers).entries())
  console.log(
    `${name}: ${Math.round(median(rates[i])).toLocaleString('en')} spans per second of processor time (${rates[i].map(Math.round).join(', ')})`,
  )
