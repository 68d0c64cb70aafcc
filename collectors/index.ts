import { type AccessLogOptions, accessLog } from './access_log/source.ts'
import { type EnvoyOptions, envoy } from './envoy/source.ts'
import { type FelixOptions, felix } from './goldmane/felix.ts'
import { type GoldmaneOptions, goldmane } from './goldmane/source.ts'
import { type HubbleFilesOptions, hubbleFiles } from './hubble/files.ts'
import { type HubbleOptions, hubble } from './hubble/source.ts'
import type { FlowExportOptions } from './ipfix/options.ts'
import { flowExport } from './ipfix/source.ts'
import { type KubernetesOptions, kubernetes } from './kubernetes/source.ts'
import { type NetobservKafkaOptions, netobservKafka } from './netobserv/kafka.ts'
import { type NetobservOptions, netobserv } from './netobserv/source.ts'
import type { OtlpOptions } from './otlp/options.ts'
import { otlp } from './otlp/source.ts'
import { type RemoteWriteOptions, remoteWrite } from './prometheus/remote-write.ts'
import { type PrometheusOptions, prometheus } from './prometheus/source.ts'
import { type SpireOptions, spire } from './spire/source.ts'
import { type ZipkinOptions, zipkin } from './zipkin/source.ts'

/** Every kind of agent. To add one: its folder, and its line here. */
export const sources = [
  hubble,
  hubbleFiles,
  prometheus,
  remoteWrite,
  goldmane,
  felix,
  netobserv,
  netobservKafka,
  flowExport,
  accessLog,
  envoy,
  otlp,
  zipkin,
  kubernetes,
  spire,
] as const

/** Options of the sources, by name; a source without options does not run. */
export interface SourceOptions {
  hubble?: HubbleOptions
  hubble_files?: HubbleFilesOptions
  prometheus?: PrometheusOptions
  remote_write?: RemoteWriteOptions
  goldmane?: GoldmaneOptions
  felix?: FelixOptions
  netobserv?: NetobservOptions
  netobserv_kafka?: NetobservKafkaOptions
  flow_export?: FlowExportOptions
  access_log?: AccessLogOptions
  envoy?: EnvoyOptions
  otlp?: OtlpOptions
  zipkin?: ZipkinOptions
  kubernetes?: KubernetesOptions
  spire?: SpireOptions
}
