// What a client gets with a denial: the WWW-Authenticate header of RFC 6750 §3, with
// `resource_metadata` of RFC 9728 §5.1 where it is configured.
import { ERRORS } from '../shared/errors.ts'
import type { DenialReason } from './decision.ts'

const SCHEME = 'Bearer realm="otesse"'

/**
 * Returns the challenge of a denial; `undefined` where another token would change nothing.
 *
 * @param scopes that the call needs; their letters (RFC 6749 §3.3) need no quoting
 * @param resourceMetadata a URL in its canonical form
 * @param errorUri the page that explains the reason
 */
export function challengeFor(
  reason: DenialReason,
  scopes: readonly string[] | undefined,
  resourceMetadata: string | undefined,
  errorUri: string,
): string | undefined {
  if (reason === 'rule_missing' || reason === 'gateway_misconfigured') return undefined
  const metadata = resourceMetadata === undefined ? '' : `, resource_metadata="${resourceMetadata}"`
  // RFC 6750 §3.1: a request that lacks any authentication information SHOULD NOT be told an error
  // code.
  if (reason === 'token_missing') return SCHEME + metadata
  const { error, sentence } = ERRORS[reason]
  const scope = scopes === undefined ? '' : `, scope="${scopes.join(' ')}"`
  const explained = `error_description="${sentence}", error_uri="${errorUri}"`
  return `${SCHEME}, error="${error}", ${explained}${scope}${metadata}`
}
