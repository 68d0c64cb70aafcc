import { type HubbleFilesOptions, hubbleFiles } from './hubble/files.ts'
import { type HubbleOptions, hubble } from './hubble/source.ts'
import type { OtlpOptions } from './otlp/options.ts'
import { otlp } from './otlp/source.ts'
import { type ZipkinOptions, zipkin } from './zipkin/source.ts'

/** Every kind of agent. To add one: its folder, and its line here. */
export const sources = [hubble, hubbleFiles, otlp, zipkin] as const

/** Options of the sources, by name; a source without options does not run. */
export interface SourceOptions {
  hubble?: HubbleOptions
  hubble_files?: HubbleFilesOptions
  otlp?: OtlpOptions
  zipkin?: ZipkinOptions
}
