import { policyDrops } from './definitions/denials.ts'
import { goldenSignals } from './definitions/golden-signals.ts'
import { selection } from './definitions/selection.ts'
import type { Dashboard } from './panel.ts'

/** Every dashboard. */
export const dashboards: readonly Dashboard[] = [goldenSignals, policyDrops, selection]
