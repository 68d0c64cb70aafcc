import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { startChild } from '../../deploy/child.ts'
import { openLog } from '../../runtime/log.ts'
import type { ServiceStatus } from '../../runtime/service.ts'
import { until } from '../helpers/wait.ts'

const script = path.resolve('test/helpers/service-process.ts')

function start(name: string) {
  const statuses: ServiceStatus[] = []
  const lines: string[] = []
  const log = openLog({ pretty: false, write: line => void lines.push(line) })
  const misconfigured = Promise.withResolvers<void>()
  const child = startChild({
    name,
    script,
    config: {},
    log,
    onStatus: status => void statuses.push(status),
    onMisconfigured: misconfigured.resolve,
  })
  const deaths = () =>
    lines.filter(line => line.includes('a service died')).map(line => Date.parse((JSON.parse(line) as { time: string }).time))
  return { child, statuses, deaths, misconfigured: misconfigured.promise }
}

test('a service that dies is started again, after longer and longer pauses', async t => {
  const { child, statuses, deaths } = start('fails')
  await using _child = child
  await until('four deaths', () => deaths().length === 4, { timeoutMs: 150_000 })
  const [a, b, , d] = deaths()
  t.true(b - a >= 100)
  t.true(d - a >= 100 + 200 + 400)
  t.like(statuses.at(-1), { ready: false, reason: 'ended with exit code 1, starting again' })
})

test('a service whose configuration is wrong is not started again', async t => {
  const { child, deaths, misconfigured } = start('misconfigured')
  await using _child = child
  await misconfigured
  await sleep(300)
  t.is(deaths().length, 0)
})
