#!/usr/bin/env node
// Runs the command line with the Node that weir brings, whatever Node the machine has.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

function ownNode() {
  try {
    return path.join(path.dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin/node')
  } catch {
    return undefined
  }
}

function fail(why) {
  console.error(`weir needs Node 24 or newer, this is ${process.version}: ${why}`)
  process.exit(1)
}

function runWith(node) {
  const cli = fileURLToPath(new URL('cli.ts', import.meta.url))
  // Over the channel the child learns when this process is killed.
  const child = spawn(node, [cli, ...process.argv.slice(2)], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  // Ctrl-C has reached the child already: passed on as it is, it would be the second one, which means at once.
  const passedOn = { SIGINT: 'SIGTERM', SIGTERM: 'SIGTERM', SIGHUP: 'SIGTERM' }
  for (const [signal, other] of Object.entries(passedOn)) process.on(signal, () => child.kill(other))
  child.on('error', error => fail(error.message))
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code)
    for (const name of Object.keys(passedOn)) process.removeAllListeners(name)
    process.kill(process.pid, signal)
  })
}

const own = ownNode()
if (Number(process.versions.node.split('.')[0]) >= 24) await import('./cli.ts')
else if (!own) fail('the one it brings is not there, run npm ci')
else runWith(own)
