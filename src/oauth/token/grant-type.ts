// What a grant type is to the token endpoint. Each has a file of its own beside this one and a row
// in grant-types.ts; the endpoint runs the same phases around all of them.
import type { App } from '../../model/app.ts'
import type { Grant } from '../../grants/grant.ts'
import type { Grants } from '../../grants/grants.ts'
import type { Issued, NotIssued } from '../../grants/issue.ts'
import type { Parameters } from '../../http/parameters.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import type { ScopeExists } from '../scope-list.ts'
import type { TokenSettings } from './token-terms.ts'

/** What issuing tokens needs. */
export interface GrantDeps {
  grants: Grants
  scopeExists: ScopeExists
  settings: TokenSettings
  /** The admin API as tokens name it (RFC 8707). */
  adminAudience: string
}

/** The client that asks, after it proved itself. */
export interface TokenClient {
  app: App
  /** Absent where the server asks itself. */
  address?: string
}

/** One grant type. @typeParam Request what a request of it presents */
export interface GrantType<Request = unknown> {
  /** Says why the app may not use the grant type, if it may not. */
  refusalFor(app: App): ErrorCode | undefined
  /** Reads what is presented. @throws {AppError} for what is missing or malformed */
  parse(parameters: Parameters): Request
  /** Issues tokens for it. @throws {AppError} where it cannot be taken to the store at all */
  issue(client: TokenClient, request: Request, deps: GrantDeps): Promise<Issued | NotIssued>
}

/**
 * Returns the check of granted scopes: one that was taken from the app or left the catalogue since
 * is not issued again.
 */
export const permits =
  (app: App, deps: GrantDeps) =>
  (scope: string, grant: Grant): boolean =>
    deps.scopeExists(scope, grant) && app.scopes.includes(scope)
