import { goldenSignals } from './definitions/golden-signals.ts'

/** Every dashboard. */
export const dashboards = [goldenSignals]
