import type { RawRequest } from './wire.ts'

export interface ProducedPartition {
  errorCode: number
  baseOffset: number
}

export interface FetchedPartition {
  topic: string
  partition: number
  errorCode: number
  records: Buffer
}

interface OffsetTopics<P> {
  topic: string
  partitions: P[]
}

interface GroupMember {
  groupId: string
  memberId: string
  groupInstanceId?: string
}

/** The requests we send, each with its answer. Offsets that kafkajs reads are texts of numbers. */
interface Apis {
  Metadata: [
    { topics: string[]; allowAutoTopicCreation: false },
    {
      brokers: { nodeId: number; host: string; port: number }[]
      topicMetadata: {
        topic: string
        topicErrorCode: number
        partitionMetadata: { partitionId: number; partitionErrorCode: number; leader: number; replicas: number[] }[]
      }[]
    },
  ]
  Produce: [RawRequest, ProducedPartition]
  Fetch: [RawRequest, FetchedPartition[]]
  ListOffsets: [
    { replicaId?: number; topics: OffsetTopics<{ partition: number; timestamp: string }>[] },
    { responses: OffsetTopics<{ partition: number; offset: string }>[] },
  ]
  InitProducerId: [{ transactionTimeout: number }, { producerId: string; producerEpoch: number }]
  GroupCoordinator: [{ groupId: string; coordinatorType: 0 }, { coordinator: { nodeId: number; host: string; port: number } }]
  JoinGroup: [
    GroupMember & {
      sessionTimeout: number
      rebalanceTimeout: number
      protocolType: 'consumer'
      groupProtocols: { name: string; metadata: Buffer }[]
    },
    { generationId: number; leaderId: string; memberId: string; members: { memberId: string; memberMetadata: Buffer }[] },
  ]
  SyncGroup: [
    GroupMember & { generationId: number; groupAssignment: { memberId: string; memberAssignment: Buffer }[] },
    { memberAssignment: Buffer },
  ]
  Heartbeat: [GroupMember & { groupGenerationId: number }, unknown]
  LeaveGroup: [GroupMember, unknown]
  OffsetCommit: [
    GroupMember & { groupGenerationId: number; topics: OffsetTopics<{ partition: number; offset: string; metadata: string }>[] },
    unknown,
  ]
  OffsetFetch: [
    { groupId: string; topics: OffsetTopics<{ partition: number }>[] },
    { responses: OffsetTopics<{ partition: number; offset: string; metadata: string | null }>[] },
  ]
  ListGroups: [object, { groups: { groupId: string; protocolType: string }[] }]
  CreateTopics: [
    {
      topics: { topic: string; numPartitions: number; replicationFactor: number; configEntries: { name: string; value: string }[] }[]
      timeout: number
    },
    unknown,
  ]
  DescribeConfigs: [
    { resources: { type: 2; name: string; configNames: string[] }[]; includeSynonyms: false },
    { resources: { configEntries: { configName: string; configValue: string | null }[] }[] },
  ]
}

export type Api = keyof Apis
export type Request<A extends Api> = Apis[A][0]
export type Response<A extends Api> = Apis[A][1]
