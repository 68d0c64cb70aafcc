import { Command } from 'commander'
import { stringify } from 'yaml'
import type { Config } from '../config.ts'

const secrets = /password|secret|token|key$/i

/** `weir config check` and `weir config default`. */
export function configCommands(configuration: () => Promise<Config>): Command {
  const config = new Command('config').description('check the configuration, or print it')
  config
    .command('check')
    .description('exit with 0 when the configuration is right, with 2 and the reason when it is not')
    .action(async () => {
      await configuration()
      console.log('the configuration is right')
    })
  config
    .command('default')
    .description('print the configuration with every default, as YAML')
    .action(async () => console.log(stringify(await configuration(), hideSecrets).trimEnd()))
  return config
}

function hideSecrets(key: unknown, value: unknown): unknown {
  if (typeof value !== 'string') return value
  if (secrets.test(String(key))) return '(hidden)'
  return /^https?:\/\/[^/@]*@/.test(value) ? value.replace(/\/\/[^/@]*@/, '//(hidden)@') : value
}
