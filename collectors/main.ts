import type { Bus } from '../runtime/bus/bus.ts'
import { ConfigError } from '../runtime/error.ts'
import { describe } from '../runtime/log.ts'
import { type ServiceContext, untilAborted } from '../runtime/service.ts'
import { component } from '../runtime/telemetry.ts'
import { type SourceOptions, sources } from './index.ts'
import { openObjectLog } from './objects.ts'
import { openPublisher } from './publisher.ts'
import type { ObjectSourceContext, Source, SourceStatus } from './source.ts'

export interface CollectOptions extends SourceOptions {
  /** Names this collector on the bus. */
  name: string
}

/** What people read who have connected nothing yet. */
const noSource =
  'no source is configured: say where Hubble is with collect.hubble.address (WEIR_HUBBLE_ADDRESS), name another below collect (collect.otlp: {}), or try weir up --demo'

/** Runs the configured sources until the signal is aborted, then publishes what they had. */
export async function runCollector({ bus, options }: { bus: Bus; options: CollectOptions }, context: ServiceContext): Promise<void> {
  const configured = sources.filter(({ name }) => options[name as keyof SourceOptions] !== undefined)
  if (!configured.length) context.log.warn({ known: sources.map(({ name }) => name).join(', ') }, 'no source is configured')
  const reason = configured.length ? undefined : noSource
  context.status('sources', { ready: true, reason, detail: configured.map(({ name }) => name) })
  await Promise.all(
    configured.map(source =>
      runSource(
        source as Source<unknown, ObjectSourceContext>,
        options[source.name as keyof SourceOptions],
        { bus, collector: options.name },
        context,
      ),
    ),
  )
  if (!configured.length) await untilAborted(context.signal)
}

/** One source with a publisher of its own, so that a slow one holds up nobody else. */
async function runSource(
  source: Source<unknown, ObjectSourceContext>,
  options: unknown,
  { bus, collector }: { bus: Bus; collector: string },
  context: ServiceContext,
) {
  const instruments = component('source', source.name)
  const log = context.log.child({ source: source.name })
  const name = `${collector}/${source.name}`
  const objects = openObjectLog({ bus, collector: name, log, signal: context.signal })
  await using outbox = openPublisher({
    bus,
    collector: name,
    log,
    instruments,
    signal: context.signal,
    onBlocked: reason => context.status(`bus of ${source.name}`, { ready: !reason, reason }),
  })
  try {
    await source.run(options, {
      outbox,
      objects,
      signal: context.signal,
      log,
      instruments,
      status: status => context.status(source.name, agentStatus(status)),
    })
  } catch (error) {
    if (context.signal.aborted) return
    if (error instanceof ConfigError) throw error
    throw new Error(`the source ${source.name} failed: ${describe(error)}`, { cause: error })
  }
}

/**
 * An agent that is away does not make the collector unready: what was collected can be asked for, and nobody here can bring the agent
 * back. The reason stands in readyz, quality and the log all the same.
 */
function agentStatus({ ready, reason, detail }: SourceStatus): SourceStatus {
  return { ready: true, reason: ready ? reason : (reason ?? 'not ready'), detail: { connected: ready, ...(detail as object | undefined) } }
}
