import type { Bus } from '../runtime/bus/bus.ts'
import { ConfigError } from '../runtime/error.ts'
import { describe } from '../runtime/log.ts'
import type { ServiceContext } from '../runtime/service.ts'
import { component } from '../runtime/telemetry.ts'
import { type SourceOptions, sources } from './index.ts'
import { openPublisher } from './publisher.ts'
import type { Source } from './source.ts'

export interface CollectOptions extends SourceOptions {
  /** Names this collector on the bus. */
  name: string
}

const flushWithinMs = 5000

/** Runs the configured sources until the signal is aborted, then publishes what they had. */
export async function runCollector({ bus, options }: { bus: Bus; options: CollectOptions }, context: ServiceContext): Promise<void> {
  const configured = sources.filter(({ name }) => options[name as keyof SourceOptions] !== undefined)
  if (!configured.length) context.log.warn({ known: sources.map(({ name }) => name).join(', ') }, 'no source is configured')
  context.status('sources', { ready: true, detail: configured.map(({ name }) => name) })
  await Promise.all(
    configured.map(source =>
      runSource(source as Source<unknown>, options[source.name as keyof SourceOptions], { bus, collector: options.name }, context),
    ),
  )
  if (!configured.length) await untilAborted(context.signal)
}

/** One source with a publisher of its own, so that a slow one holds up nobody else. */
async function runSource(
  source: Source<unknown>,
  options: unknown,
  { bus, collector }: { bus: Bus; collector: string },
  context: ServiceContext,
) {
  const instruments = component('source', source.name)
  const log = context.log.child({ source: source.name })
  const giveUp = new AbortController()
  context.signal.addEventListener('abort', () => setTimeout(() => giveUp.abort(), flushWithinMs).unref())
  const outbox = openPublisher({
    bus,
    collector: `${collector}/${source.name}`,
    log,
    instruments,
    signal: giveUp.signal,
    onBlocked: reason => context.status('bus', { ready: !reason, reason }),
  })
  await using _closed = outbox
  try {
    await source.run(options, {
      outbox,
      signal: context.signal,
      log,
      instruments,
      status: status => context.status(source.name, status),
    })
  } catch (error) {
    if (context.signal.aborted) return
    if (error instanceof ConfigError) throw error
    throw new Error(`the source ${source.name} failed: ${describe(error)}`, { cause: error })
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })))
}
