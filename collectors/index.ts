import { hubbleFiles } from './hubble/files.ts'
import { type HubbleOptions, hubble } from './hubble/source.ts'

/** Every kind of agent. To add one: its folder, and its line here. */
export const sources = [hubble, hubbleFiles]

/** Options of the sources, by name. */
export type SourceOptions = { [K in (typeof sources)[number]['name']]?: unknown } & { hubble?: HubbleOptions }
