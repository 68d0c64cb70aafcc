import { Command, InvalidArgumentError } from 'commander'
import { truth } from '../../collectors/demo/index.ts'
import type { Config } from '../config.ts'

/** `weir demo truth`: what the demo sent in a window, computed anew. */
export function truthCommand(configuration: () => Promise<Config>): Command {
  return new Command('truth')
    .description('print what the demo sent in a window of time, as JSON')
    .requiredOption('--from <time>', 'beginning, RFC 3339', parseTime)
    .requiredOption('--to <time>', 'end, RFC 3339', parseTime)
    .action(async ({ from, to }: { from: number; to: number }) => {
      const { data_dir: dataDir } = await configuration()
      console.log(JSON.stringify(await truth({ dataDir, from, to }), null, 2))
    })
}

function parseTime(text: string): number {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new InvalidArgumentError(`expected an RFC 3339 time, got ${JSON.stringify(text)}`)
  return time
}
