#!/usr/bin/env node
// Runs the command line with the Node that weir brings, whatever Node the machine has.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const cli = fileURLToPath(new URL('cli.ts', import.meta.url))
const own = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url))

if (Number(process.versions.node.split('.')[0]) >= 24) await import('./cli.ts')
else if (!existsSync(own)) {
  console.error(`weir needs Node 24 or newer, this is ${process.version}, and ${own} is not there: run npm ci`)
  process.exitCode = 1
} else {
  const child = spawn(own, [cli, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => (signal ? process.kill(process.pid, signal) : process.exit(code ?? 1)))
}
