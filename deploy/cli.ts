import { CommanderError } from 'commander'
import { ConfigError } from '../runtime/error.ts'
import { describe } from '../runtime/log.ts'
import { program } from './program.ts'

/** Whoever reads our output may have seen enough. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

/** Commander's own errors carry the exit code people expect; wrong use is 2. */
try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode ? 2 : 0
  else {
    console.error(`weir: ${describe(error)}`)
    process.exitCode = error instanceof ConfigError ? 2 : 1
  }
}
