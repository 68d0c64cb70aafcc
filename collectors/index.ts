import { type EnvoyOptions, envoy } from './envoy/source.ts'
import { type HubbleFilesOptions, hubbleFiles } from './hubble/files.ts'
import { type HubbleOptions, hubble } from './hubble/source.ts'

/** Every kind of agent. To add one: its folder, and its line here. */
export const sources = [hubble, hubbleFiles, envoy] as const

/** Options of the sources, by name; a source without options does not run. */
export interface SourceOptions {
  hubble?: HubbleOptions
  hubble_files?: HubbleFilesOptions
  envoy?: EnvoyOptions
}
