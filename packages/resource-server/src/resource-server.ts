// The package `@otesse/resource-server`: what an API imports to check the tokens of its callers. It
// needs Node and nothing else.
export type { AccessToken, Verification } from './access-token.ts'
export {
  type ConnectLink,
  type ConnectLinkOptions,
  ConnectionError,
  type Connections,
  type ConnectionsOptions,
  type ConnectionToken,
  createConnections,
} from './connections.ts'
export { requireToken, type TokenGuard } from './require-token.ts'
export type { Outcome, Refusal, Requirement } from './requirement.ts'
export { createVerifier, type Verifier, type VerifierOptions } from './verifier.ts'
