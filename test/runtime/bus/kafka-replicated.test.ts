import { kafkaContract } from '../../helpers/kafka/contract.ts'

await kafkaContract('Kafka on three brokers', 3)
