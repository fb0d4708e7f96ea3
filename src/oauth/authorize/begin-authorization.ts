// The beginning of an authorization, between two looks at what it stands on. Invariant: what was
// ended while it began, the account, the app, the login or the connection, is ended with it; so it
// is of no use that the caller who ended it could not see it yet.
import { type App, remembersConsent } from '../../model/app.ts'
import type { CodeRecord, Grant } from '../../grants/grant.ts'
import type { FindStanding, Standing } from '../../grants/standing.store.ts'
import { AppError } from '../../shared/errors.ts'
import type { PreviewGuard } from './preview-guard.ts'
import { longestLife, termsFor, type TokenSettings } from '../token/token-terms.ts'

/** What the beginning needs. */
export interface BeginningDeps {
  settings: TokenSettings
  /** Asks the database, not a cache: what counts is what has ended by now. */
  findStanding: FindStanding
  findApp: (appId: string) => Promise<App | undefined>
  grants: {
    begin: (
      grant: Grant & { accountId: string },
      code: string,
      record: CodeRecord,
      lifeSeconds: number,
    ) => Promise<void>
    revoke: (grantId: string) => Promise<unknown>
  }
  previews: Pick<PreviewGuard, 'isPreview' | 'admitGrant'>
}

/**
 * Begins an authorization with its code.
 *
 * @param loginGeneration the account's generation at the login that it stands on
 * @throws {AppError} `grant_revoked` where what it stands on has ended; `preview_over`
 */
export type BeginAuthorization = (
  grant: Grant & { accountId: string },
  code: string,
  record: CodeRecord,
  loginGeneration: number,
) => Promise<void>

/** Creates the function that begins authorizations. */
export function createBeginAuthorization(deps: BeginningDeps): BeginAuthorization {
  const { settings, findStanding, findApp, grants, previews } = deps
  return async function beginAuthorization(grant, code, record, loginGeneration) {
    const { appId, accountId } = grant
    const [before, app] = await Promise.all([findStanding(accountId, appId), findApp(appId)])
    if (app === undefined || !isGood(before, loginGeneration)) throw new AppError('grant_revoked')
    const isPreview = previews.isPreview(record.redirectUri)
    if (isPreview && !(await previews.admitGrant(record.codeChallenge, grant)))
      throw new AppError('preview_over')
    const born = {
      ...grant,
      accountGeneration: before.account.generation,
      appGeneration: before.app.generation,
    }
    await grants.begin(born, code, record, longestLife(termsFor(app, settings)))
    // Looked at again after the grant is written: what was ended meanwhile has had its grants
    // revoked already.
    const after = await findStanding(accountId, appId)
    const isConnected = remembersConsent(app, isPreview)
      ? after?.isRemembered === true
      : // Nothing is remembered that could have been withdrawn; but some connection was ended.
        after?.account.generation === before.account.generation
    if (!isConnected || !isGood(after, loginGeneration) || hasEnded(after, before))
      await grants.revoke(grant.id)
  }
}

const isGood = (standing: Standing | undefined, loginGeneration: number): standing is Standing =>
  standing !== undefined &&
  standing.account.isActive &&
  standing.app.isActive &&
  loginGeneration >= standing.account.sessionsFrom

const hasEnded = (after: Standing, before: Standing): boolean =>
  after.account.grantsFrom > before.account.generation ||
  after.app.grantsFrom > before.app.generation
