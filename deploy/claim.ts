import { access, constants, mkdir } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { listenError } from '../query-api/main.ts'
import { lockDirectory, untilUnshared } from '../runtime/clickhouse/lock.ts'
import { ConfigError } from '../runtime/error.ts'
import { type Logger, describe } from '../runtime/log.ts'

/**
 * Makes the data directory and takes it for this process. Waits for the services of a supervisor that was killed, which end by
 * themselves. Throws a ConfigError when it cannot be had.
 */
export async function claimDirectory(directory: string, { log, signal }: { log: Logger; signal: AbortSignal }): Promise<Disposable> {
  const wrong = (why: string) => new ConfigError(`data_dir (WEIR_DATA_DIR): ${why}`)
  try {
    await mkdir(directory, { recursive: true })
    await access(directory, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw wrong(`expected a directory that can be written to, got ${JSON.stringify(directory)}: ${describe(error)}`)
  }
  try {
    using stack = new DisposableStack()
    stack.use(lockDirectory(directory))
    await untilUnshared(directory, {
      signal,
      onWait: () => log.info({ data: directory }, 'waiting for what a killed weir has left to end'),
    })
    return stack.move()
  } catch (error) {
    throw signal.aborted ? error : wrong((error as Error).message)
  }
}

/** Throws a ConfigError when nobody can listen there, before anything else is started in vain. */
export async function checkPort(listen: { host: string; port: number }): Promise<void> {
  const server = createServer().listen(listen)
  await once(server, 'listening').catch(error => {
    throw listenError(error as NodeJS.ErrnoException, listen)
  })
  server.close()
  await once(server, 'close')
}
