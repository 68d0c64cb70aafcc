import { kafkaContract } from '../../helpers/kafka/contract.ts'

await kafkaContract('Kafka', 1)
