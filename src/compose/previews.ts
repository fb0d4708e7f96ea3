// Previews of apps, plugged in: who may come by their address, and what the console needs to run them.
import { ADMIN_API_PATH } from '../admin/api/admin-api.routes.ts'
import type { Context } from 'koa'
import { createAppPreviews, type AppPreviews } from '../admin/app-preview.ts'
import type { Foundation } from '../foundation.ts'
import { createIdTokenIssuer } from '../oauth/id-token.ts'
import { createExchangeInProcess } from '../oauth/in-process-exchange.ts'
import type { Interactions } from '../oauth/interactions.ts'
import { PATHS } from '../oauth/provider.ts'
import { createSigner } from '../oauth/signer.ts'
import { createTokenInspector } from '../oauth/token-inspector.ts'
import { AppError } from '../shared/errors.ts'
import type { Previews } from '../sign-in/ports.ts'
import { signingKey } from './back-channel.ts'

/** Keeps everybody but the admin who began a preview away from its address. */
export interface PreviewGuard extends Previews {
  /**
   * Lets an authorization request pass unless it names the address of previews and is none of this browser's person.
   *
   * @throws {AppError} `preview_over`
   */
  assertOwn(ctx: Context): Promise<void>
}

/** Creates the guard. */
export function createPreviewGuard(
  { previews }: Foundation,
  interactions: Pick<Interactions, 'signedIn'>,
): PreviewGuard {
  return {
    async assertOwn(ctx) {
      const query = new URLSearchParams(ctx.querystring)
      if (!query.getAll('redirect_uri').includes(previews.returnUri)) return
      // Each of them must be there once; and the challenge, which the code is bound to, is the name of the preview.
      const [id, ...more] = new Set([...query.getAll('state'), ...query.getAll('code_challenge')])
      const isWhole = query.has('state') && query.has('code_challenge') && more.length === 0
      const found = isWhole ? await previews.find(id) : undefined
      const isOwn =
        found !== undefined &&
        query.getAll('client_id').every((appId) => appId === found.appId) &&
        found.accountId === (await interactions.signedIn(ctx))
      if (!isOwn) throw new AppError('preview_over')
    },
    async isOwn({ redirectUri, state, appId }, accountId) {
      if (redirectUri !== previews.returnUri) return false
      const found = await previews.find(state)
      if (found?.accountId !== accountId || found.appId !== appId)
        throw new AppError('preview_over')
      return true
    },
  }
}

/** Creates what the console runs previews with. */
export function createPreviewActs(foundation: Foundation): AppPreviews {
  const { config, clock, apps, accounts, scopes, grants, previews, audit } = foundation
  const { issuer } = config.server
  const scopeExists = scopes.exists
  return createAppPreviews({
    previews,
    apps,
    grants,
    exchange: createExchangeInProcess({
      grants,
      scopeExists,
      settings: config.tokens,
      adminAudience: issuer + ADMIN_API_PATH,
      issuer,
      issueIdToken: createIdTokenIssuer({
        issuer,
        sign: createSigner(() => signingKey(foundation)),
        signingAlg: () => signingKey(foundation).alg,
        clock,
      }),
      // Looks into the store itself: what a server remembers of tokens is no place for those of previews.
      inspect: createTokenInspector({
        grants,
        findApp: (id) => apps.find(id),
        admitsGrant: accounts.admitsGrant,
        scopeExists,
      }),
    }),
    authorizeUrl: issuer + PATHS.authorize,
    events: audit.events,
  })
}
