// Keeps everybody but the admin who began a preview away from its address. That address is ours and
// no app's, so it is the one sign of a preview; all that an authorization needs to know of previews
// is here.
import type { Previews } from '../../grants/previews.ts'
import { AppError } from '../../shared/errors.ts'

/** Tells previews from other authorizations. */
export interface PreviewGuard {
  /** Returns whether the address is the one that previews come back to. */
  isPreview(redirectUri: unknown): boolean
  /**
   * Lets an authorization request pass unless it is somebody else's preview.
   *
   * @param signedIn returns the account of this browser; asked for previews alone
   * @throws {AppError} `preview_over`
   */
  assertOwnRequest(
    query: URLSearchParams,
    signedIn: () => Promise<string | undefined>,
  ): Promise<void>
  /** Lets a consent page pass in the same way. @throws {AppError} `preview_over` */
  assertOwnConsent(
    pending: { redirectUri: string; state: string | undefined; appId: string },
    accountId: string | undefined,
  ): Promise<void>
  /** Gives a grant the one place of its preview; `false` where there is none. */
  admitGrant: Previews['admitGrant']
}

/** Creates the guard over the previews that have begun. */
export function createPreviewGuard(
  previews: Pick<Previews, 'returnUri' | 'find' | 'admitGrant'>,
): PreviewGuard {
  const isPreview = (redirectUri: unknown): boolean => redirectUri === previews.returnUri
  return {
    isPreview,
    admitGrant: (id, grant) => previews.admitGrant(id, grant),
    async assertOwnRequest(query, signedIn) {
      if (!query.getAll('redirect_uri').some(isPreview)) return
      // Each of them must be there once; and the challenge, which the code is bound to, is the name
      // of the preview.
      const [id, ...more] = new Set([...query.getAll('state'), ...query.getAll('code_challenge')])
      const isWhole = query.has('state') && query.has('code_challenge') && more.length === 0
      const found = isWhole ? await previews.find(id) : undefined
      const isOwn =
        found !== undefined &&
        query.getAll('client_id').every((appId) => appId === found.appId) &&
        found.accountId === (await signedIn())
      if (!isOwn) throw new AppError('preview_over')
    },
    async assertOwnConsent({ redirectUri, state, appId }, accountId) {
      if (!isPreview(redirectUri)) return
      const found = await previews.find(state)
      if (found?.accountId !== accountId || found?.appId !== appId)
        throw new AppError('preview_over')
    },
  }
}
