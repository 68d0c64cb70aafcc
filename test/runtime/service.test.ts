import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import path from 'node:path'
import test from 'ava'
import type { ServiceMessage } from '../../runtime/service.ts'
import { until } from '../helpers/wait.ts'
import { freePort } from '../helpers/weir.ts'

const script = path.resolve('test/helpers/service-process.ts')

interface Started {
  child: ChildProcess
  output(): string
  messages: ServiceMessage[]
  exit: Promise<number | string>
}

function start(what: string, { healthPort, supervised = false }: { healthPort?: number; supervised?: boolean } = {}): Started {
  const args = [what, ...(healthPort === undefined ? [] : [String(healthPort)])]
  const child = fork(script, args, { silent: true, env: { ...process.env, SUPERVISED: supervised ? 'yes' : 'no' } })
  let output = ''
  const messages: ServiceMessage[] = []
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => (output += String(chunk)))
  child.on('message', message => void messages.push(message as ServiceMessage))
  const exit = once(child, 'close').then(([code, signal]) => (signal ?? code) as number | string)
  return { child, output: () => output, messages, exit }
}

const started = ({ output }: Started) => until('the service to start', () => output().includes('started'))

const endings: Record<string, [code: number, output: RegExp]> = {
  stops: [0, /^started test\n$/],
  fails: [1, /"message":"the service failed","service":"test","reason":"it broke: really"/],
  misconfigured: [2, /"message":"wrong configuration","service":"test","reason":"a.b: expected c, got \\"d\\""/],
  crashes: [1, /"message":"the service failed","service":"test","error":"out of nothing","stack":"Error: out of nothing\\n/],
  rejects: [1, /"message":"the service failed","service":"test","error":"unseen"/],
}

for (const [what, [code, expected]] of Object.entries(endings))
  test(`a service that ${what} exits with ${code} and says why on one line`, async t => {
    const service = start(what)
    t.is(await service.exit, code)
    t.regex(service.output(), expected)
    t.true(service.output().trim().split('\n').length <= 2)
  })

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
  for (const what of ['waits', 'aborts'])
    test(`a service that ${what} stops on ${signal} with 0, saying nothing`, async t => {
      const service = start(what)
      await started(service)
      service.child.kill(signal)
      t.is(await service.exit, 0)
      t.is(service.output(), 'started test\n')
    })

test('below a supervisor Ctrl-C is left to the supervisor', async t => {
  const service = start('waits', { supervised: true })
  await started(service)
  service.child.kill('SIGINT')
  service.child.kill('SIGHUP')
  const { length } = service.messages
  await until('further reports', () => service.messages.length > length)
  service.child.kill('SIGTERM')
  t.is(await service.exit, 0)
})

test('a change of readiness is reported at once, with why', async t => {
  const service = start('blocked', { supervised: true })
  await until('a report', () => service.messages.length > 0, { everyMs: 5 })
  const [first] = service.messages
  t.like(first, { status: { ready: false, reason: 'work: the disk is full', detail: { work: { what: 'blocked' } } } })
  service.child.kill('SIGTERM')
  t.is(await service.exit, 0)
})

test('a service stops when its parent is killed, without an error', async t => {
  const parent = `const { fork } = require('node:child_process')
    fork(${JSON.stringify(script)}, ['waits'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, SUPERVISED: 'yes' } })`
  const child = spawn(process.execPath, ['-e', parent], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += String(chunk)))
  await until('the service to start', () => output.includes('started'))
  child.kill('SIGKILL')
  // Its output ends when the last process that has it ends.
  await once(child, 'close')
  t.is(output, 'started test\n')
})

test('a service alone answers for its health', async t => {
  const port = await freePort()
  const service = start('blocked', { healthPort: port })
  await started(service)
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return [response.status, await response.text()]
  }
  t.deepEqual(await get('/readyz?verbose'), [503, '{"ready":false,"reason":"work: the disk is full"}\n'])
  t.deepEqual(await get('/healthz'), [200, '{"ready":false,"reason":"work: the disk is full"}\n'])
  t.is((await get('/metrics'))[0], 200)
  t.is((await get('/'))[0], 404)
  service.child.kill('SIGTERM')
  t.is(await service.exit, 0)
})

test('a health port that is taken is wrong configuration', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  const service = start('waits', { healthPort: port })
  t.is(await service.exit, 2)
  t.regex(
    service.output(),
    new RegExp(`health.port \\(WEIR_HEALTH_PORT\\): cannot listen on port ${port} of 127.0.0.1, expected a free one`),
  )
  taken.close()
})

test('a service whose parent is gone before it has started stops as well', async t => {
  const parent = `const { fork } = require('node:child_process')
    fork(${JSON.stringify(script)}, ['waits'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, SUPERVISED: 'yes' } })
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 20)`
  const child = spawn(process.execPath, ['-e', parent], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += String(chunk)))
  await once(child, 'close')
  t.true(['', 'started test\n'].includes(output), output)
})
