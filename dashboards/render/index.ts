import type { Picture } from '../panel.ts'
import { bar } from './bar.ts'
import { heatmap } from './heatmap.ts'
import { area, line } from './line.ts'
import { sankey } from './sankey.ts'
import type { Draw } from './view.ts'

/** How each picture is drawn; a table is drawn by the page. */
export const drawings: Readonly<Record<Exclude<Picture, 'table'>, Draw>> = { line, area, bar, heatmap, sankey }
