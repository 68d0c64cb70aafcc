import { existsSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { type Browser, chromium } from 'playwright-core'

const path = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

/** A browser that asks nobody for anything; nothing where there is none, which fails in CI. */
export async function openChromium(t: ExecutionContext): Promise<Browser | undefined> {
  if (!existsSync(path)) {
    if (process.env.CI) throw new Error(`there is no Chromium at ${path}; CHROMIUM_PATH says where it is`)
    t.log(`skipped: there is no Chromium at ${path}`)
    t.pass()
    return undefined
  }
  return chromium.launch({
    executablePath: path,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-quic',
      '--no-first-run',
    ],
  })
}
