export type { ContractTest } from './contract-test.ts'
export { eventLogContract, type ContractLogOptions, type CreateLog } from './event-log-contract.ts'
export { idempotencyContract, type ContractNode, type CreateNodes } from './idempotency-contract.ts'
export { serverBusContract, type ContractBus, type CreateBuses } from './server-bus-contract.ts'
export {
  createFakeTransport,
  FakeConnection,
  type FakeTransport,
  type FakeTransportOptions,
} from './fake-transport.ts'
export {
  transportContract,
  type ContractPeer,
  type TransportContractOptions,
  type TransportHarness,
} from './transport-contract.ts'
export { createTestBridge, type TestBridge, type TestBridgeOptions } from './test-bridge.ts'
export {
  createTestServer,
  type TestPublishOptions,
  type TestServer,
  type TestServerOptions,
  type TestTransportOptions,
} from './test-server.ts'
export type { SettledOptions } from './settled.ts'
