// What the engine's metadata says wrongly, or not at all, of endpoints that are ours.
import type { Context } from 'koa'
import { RESPONSE_MODES } from '../authorize/response-mode.ts'

// Claims that the engine could give and we never do.
const NEVER_GIVEN: readonly string[] = ['acr', 'sid']

/**
 * Corrects metadata (RFC 8414 §2): the engine lists every response mode and claim that it has, says
 * nothing of how clients authenticate at the endpoints that are ours, and its `discovery` setting
 * adds members but corrects none.
 */
export function correctMetadata(ctx: Context, moreGrantTypes: readonly string[]): void {
  if (ctx.status !== 200) return
  const metadata = ctx.body as {
    token_endpoint_auth_methods_supported: string[]
    claims_supported: string[]
    grant_types_supported: string[]
  }
  const methods = metadata.token_endpoint_auth_methods_supported
  ctx.body = {
    ...metadata,
    grant_types_supported: [...metadata.grant_types_supported, ...moreGrantTypes],
    response_modes_supported: [...RESPONSE_MODES],
    claims_supported: metadata.claims_supported.filter((claim) => !NEVER_GIVEN.includes(claim)),
    revocation_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_methods_supported: methods,
  }
}
