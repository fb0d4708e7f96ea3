// Previews of apps: what the console needs to run them.
import { ADMIN_API_PATH } from '../admin/api/admin-api.routes.ts'
import { createAppPreviews, type AppPreviews } from '../admin/app-preview.ts'
import type { Foundation } from '../foundation.ts'
import { createTokenInspector } from '../oauth/introspect/token-inspector.ts'
import { PATHS } from '../oauth/paths.ts'
import { createSigner } from '../oauth/signer.ts'
import { createIdTokenIssuer } from '../oauth/token/id-token.ts'
import { createTokensInProcess } from '../oauth/token/in-process.ts'

/** Creates what the console runs previews with. */
export function createPreviewActs(foundation: Foundation): AppPreviews {
  const { config, clock, apps, accounts, scopes, grants, previews, audit, keyRing } = foundation
  const { issuer } = config.server
  const scopeExists = scopes.exists
  return createAppPreviews({
    previews,
    apps,
    grants,
    tokens: createTokensInProcess({
      grants,
      scopeExists,
      settings: config.tokens,
      adminAudience: issuer + ADMIN_API_PATH,
      issuer,
      issueIdToken: createIdTokenIssuer({ issuer, signer: createSigner(keyRing), clock }),
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
