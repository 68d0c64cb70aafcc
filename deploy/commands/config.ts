import { Command } from 'commander'
import { type Document, type Pair, type Scalar, type YAMLMap, Document as YamlDocument, isMap } from 'yaml'
import { type Config, configSchema } from '../config.ts'
import { type SettingSchema, propertiesOf } from '../settings.ts'

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
    .description('print the configuration with every default and what it means, as YAML')
    .action(async () => console.log(String(explained(await configuration())).trimEnd()))
  return config
}

/** As YAML with what each setting means above it; settings that have no value are named in comments. */
function explained(config: Config): Document {
  const document = new YamlDocument(config, hideSecrets)
  explain(document.contents as unknown as YAMLMap, configSchema as SettingSchema)
  return document
}

function explain(map: YAMLMap, schema: SettingSchema): void {
  const properties = propertiesOf(schema)
  const names = Object.keys(properties)
  const items = map.items as Pair<Scalar<string>>[]
  items.sort((a, b) => names.indexOf(a.key.value) - names.indexOf(b.key.value))
  const unset = Object.entries(properties).filter(([name]) => !map.has(name))
  for (const { key, value } of items) {
    const inner = properties[key.value]
    if (inner?.description) key.commentBefore = ` ${inner.description}`
    if (inner && isMap(value)) explain(value, inner)
  }
  // `{}` has no place for comments.
  map.flow = names.length === 0
  if (unset.length) map.comment = unset.map(unsetText).join('\n')
}

const unsetText = ([name, { description, expected, properties }]: [string, SettingSchema]) =>
  ` ${description ?? ''}\n ${name}: ${properties ? `(${Object.keys(properties).join(', ')})` : (expected ?? '')}`.replace(/ +$/gm, '')

function hideSecrets(key: unknown, value: unknown): unknown {
  if (typeof value !== 'string') return value
  if (secrets.test(String(key))) return '(hidden)'
  return /^https?:/.test(value) ? value.replaceAll(/\/\/[^/@]*@/g, '//(hidden)@') : value
}
