import { code, page, table } from '../../schema/reference.ts'
import { otherVariables, variables } from '../config.ts'
import { type Setting, settings } from '../settings.ts'

const variableOf = new Map<string, string>(Object.entries(variables).map(([name, path]) => [path, name]))

const defaultOf = ({ schema: { default: value, defaultIs } }: Setting) => {
  if (defaultIs) return defaultIs
  return value === undefined || value === '' ? '' : code(JSON.stringify(value))
}

const settingRow = (setting: Setting) => [
  code(setting.path),
  code(variableOf.get(setting.path) ?? ''),
  setting.type,
  defaultOf(setting),
  setting.schema.description ?? '',
]

const isFilter = ({ path }: Setting) => /\.(allow|deny)\[\]/.test(path)

/** The page of the configuration: every setting and variable. */
export function configurationPage(): string {
  const all = [...settings()]
  const below = 'collect.hubble.allow[].'
  const filters = all.filter(({ path }) => path.startsWith(below)).map(({ path, type }) => [code(path.slice(below.length)), type])
  return page(
    'Configuration',
    'One YAML file (`--config FILE` or `WEIR_CONFIG`) for every service, variables, and options of the command line; the last one named wins. ' +
      'A key `a.b` is `b` below `a` in the file. `weir config default` prints all of it, `weir config check` says what is wrong.',
    table(['key', 'variable', 'type', 'default', 'about'], all.filter(setting => !isFilter(setting)).map(settingRow)),
    '## Filters of `collect.hubble.allow` and `deny`',
    "As in Hubble's own lists: a filter fits what fits all its keys, a key what fits one of its values.",
    table(['key', 'type'], filters),
    '## Other variables',
    table(
      ['variable', 'about'],
      Object.entries(otherVariables).map(([name, about]) => [code(name), about]),
    ),
  )
}
