import { kindPage, metricsPage } from '../../schema/reference.ts'
import { kinds } from '../../schema/record.ts'
import { apiPage } from './api.ts'
import { cliPage } from './cli.ts'
import { configurationPage } from './configuration.ts'
import { filterPage } from './filter.ts'
import { telemetryPage } from './telemetry.ts'

/** Every page of docs/reference by its file. */
export async function referencePages(): Promise<Record<string, string>> {
  return {
    ...Object.fromEntries(Object.values(kinds).map(kind => [`${kind.name}.md`, kindPage(kind)])),
    'metrics.md': metricsPage(),
    'configuration.md': configurationPage(),
    'cli.md': cliPage(),
    'api.md': await apiPage(),
    'filter.md': filterPage(),
    'telemetry.md': await telemetryPage(),
  }
}
