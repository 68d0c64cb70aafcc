import type { Command } from 'commander'
import { code, page, table } from '../../schema/reference.ts'
import { program } from '../program.ts'

function options(command: Command): string[] {
  const rows = command.options
    .filter(({ hidden }) => !hidden)
    .map(({ flags, description, defaultValue, argChoices }) => [
      code(flags),
      argChoices ? `${description} (${argChoices.join(', ')})` : description,
      defaultValue === undefined || typeof defaultValue === 'boolean' ? '' : code(String(defaultValue)),
    ])
  return rows.length ? [table(['option', 'about', 'default'], rows)] : []
}

function section(command: Command, above: string): string[] {
  const name = `${above} ${command.name()}`
  const taken = command.registeredArguments.map(argument => [code(argument.name()), argument.description])
  const own = [
    `## ${[name, ...command.registeredArguments.map(argument => `<${argument.name()}>`)].join(' ')}`,
    `${command.description()[0].toUpperCase()}${command.description().slice(1)}.`,
    ...(taken.length ? [table(['argument', 'about'], taken)] : []),
    ...options(command),
  ]
  return [...own, ...command.commands.flatMap(inner => section(inner, name))]
}

/** The page of the command line. */
export function cliPage(): string {
  return page(
    'Command line',
    program.description(),
    'In a checkout: `node deploy/weir.js …`. It exits with 0 when all went well, 1 when it failed, and 2 when it was used or configured wrongly.',
    ...options(program),
    ...program.commands.flatMap(command => section(command, program.name())),
  )
}
