import { randomUUID } from 'node:crypto'
import { access } from 'node:fs/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { Report } from '../../enricher/reattribution/running.ts'
import { type Asked, type Told, requestMessage, toldIn } from '../../enricher/reattribution/request.ts'
import { readTime, timeForms, writeTime } from '../../query-api/time.ts'
import type { Bus } from '../../runtime/bus/bus.ts'
import { ConfigError } from '../../runtime/error.ts'
import { openLog } from '../../runtime/log.ts'
import { stopSignal } from '../../runtime/service.ts'
import { type AttributedKind, attributedKinds, hourSeconds, reattributionTopic } from '../../schema/reattribution.ts'
import { withBus } from '../bus.ts'
import type { Config } from '../config.ts'

interface Options {
  from: number
  to: number
  kind?: AttributedKind
  provisional?: boolean
  dryRun?: boolean
}

const unansweredMs = 15_000
/** About how long it had worked before it first said so. */
const toldEveryMs = 1_000

/** `weir reattribute`: asks the enrichers for it over the bus, and says how far they are. */
export function reattributeCommand(configuration: () => Promise<Config>): Command {
  return new Command('reattribute')
    .description('attribute stored records again with what is known now: an enricher does it, hour by hour, while all else goes on')
    .requiredOption('--from <time>', 'beginning; the whole hour it lies in', parseTime)
    .requiredOption('--to <time>', 'end; the whole hour it lies in', parseTime)
    .addOption(new Option('--kind <kind>', 'of records; all of these by default').choices(attributedKinds))
    .option('--provisional', 'only records that were stored before all was known')
    .option('--dry-run', 'only say which ends would be known otherwise')
    .action(async (options: Options) => {
      const config = await configuration()
      await checkBus(config)
      const signal = stopSignal()
      const context = { log: openLog({ level: 'warn' }), signal, status: () => {}, statuses: () => ({}) }
      await withBus(config.bus, context, bus => askFor(options, bus, signal))
    })
}

function parseTime(text: string): number {
  const time = readTime(text, Date.now())
  if (time === undefined) throw new InvalidArgumentError(`expected ${timeForms}, got ${JSON.stringify(text)}`)
  return time / 1e6
}

/** A bus that we would make ourselves is read by nobody. */
async function checkBus({ bus }: Config): Promise<void> {
  if (bus.kafka.brokers) return
  await access(bus.path!).catch(() => {
    throw new ConfigError(
      `bus.path (WEIR_BUS_PATH): expected the bus of a weir that runs, there is none at ${JSON.stringify(bus.path)} (--data says where its data are)`,
    )
  })
}

const say = (text: string) => console.error(`weir: ${text}`)
const number = (value: number) => value.toLocaleString('en-US')

async function askFor(
  { from: begin, to: end, kind, provisional = false, dryRun = false }: Options,
  bus: Bus,
  signal: AbortSignal,
): Promise<void> {
  const [from, to] = [Math.floor(begin / hourSeconds) * hourSeconds, Math.ceil(end / hourSeconds) * hourSeconds]
  if (from >= to) throw new ConfigError(`--from: expected a time before --to, got ${writeTime(begin * 1e6)}`)
  const hours = (to - from) / hourSeconds
  say(`${hours} ${hours === 1 ? 'hour' : 'hours'} from ${writeTime(from * 1e6)} to ${writeTime(to * 1e6)}`)
  for (const one of kind ? [kind] : attributedKinds) {
    const report = await untilDone({ id: randomUUID(), kind: one, from, to, provisional, dryRun }, bus, signal)
    print(one, report, dryRun)
    if (report.skipped.length) process.exitCode = 1
  }
}

/** Publishes the request and says how far it is until it is done. */
async function untilDone(asked: Asked, bus: Bus, signal: AbortSignal): Promise<Report> {
  const following = new AbortController()
  using _ = { [Symbol.dispose]: () => following.abort() }
  const unanswered = setTimeout(
    () => say('no enricher has begun yet: weir up or weir enrich must be running, on the same bus; what it does before comes first'),
    unansweredMs,
  )
  using __ = { [Symbol.dispose]: () => clearTimeout(unanswered) }
  await bus.publish(reattributionTopic, [requestMessage(asked)], signal)
  let began: number | undefined
  for await (const { messages } of bus.follow(reattributionTopic, AbortSignal.any([signal, following.signal])))
    for (const message of messages) {
      const told = toldIn(message, asked.id)
      if (!told) continue
      clearTimeout(unanswered)
      if (told.phase === 'failed') throw new Error(`cannot attribute records of the kind ${asked.kind} again: ${told.reason}`)
      if (told.phase === 'done') return told
      if (told.phase === 'copying') began ??= Date.now() - toldEveryMs
      say(progressOf(asked.kind, told, began === undefined ? 0 : Date.now() - began))
    }
  throw new Error('stopped waiting; the enricher goes on with it')
}

function progressOf(kind: string, { phase, hours, of, rows, detail }: Exclude<Told, { phase: 'failed' }>, elapsedMs: number): string {
  if (phase === 'waiting') return `${kind}: waiting ${detail ?? ''}`.trimEnd()
  const rate = number(Math.round((rows / Math.max(1, elapsedMs)) * 1000))
  return `${kind}: ${phase === 'cleaning' ? 'removing what was before' : `${hours} of ${of} hours`}, ${number(rows)} records, ${rate}/s`
}

function print(kind: string, { rows, changes, skipped }: Report, dryRun: boolean): void {
  const ends = Object.values(changes).reduce((sum, count) => sum + count, 0)
  console.log(
    `${kind}: ${number(rows)} records ${dryRun ? 'looked at' : 'attributed again'}, ${number(ends)} ends ${dryRun ? 'would be' : 'are'} known otherwise`,
  )
  for (const [change, count] of Object.entries(changes).sort(([, a], [, b]) => b - a)) console.log(`  ${change}: ${number(count)}`)
  for (const { hour, reason } of skipped) console.log(`  ${writeTime(hour * 1e6)} stays as it was: ${reason}`)
}
