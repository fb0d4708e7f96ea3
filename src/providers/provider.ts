// A provider: the facts about a foreign system to which people connect. The same shape is a file of
// the catalogue and what an admin writes. Member names are those of the file.

/** How clients are recognised, and requests and answers are written, at a provider's endpoints. */
export interface ProviderAuth {
  readonly authorize_url: string
  readonly token_url: string
  /** Where refresh tokens are used, if not at the token URL. */
  readonly refresh_url?: string
  readonly revoke_url?: string
  /** How tokens are revoked there: as RFC 7009 says, or by a call with the token as its bearer. */
  readonly revoke?: 'rfc7009' | 'bearer'
  /** What `iss` must be where the callback brings one. */
  readonly issuer?: string
  /**
   * The parameter of a callback that signs the others: HMAC-SHA256 in hex under the client secret,
   * over `name=value` in the order of their names, with & between.
   */
  readonly callback_signature?: string
  /** What parameters of a callback must be, with placeholders: `{shop}.example.com`. */
  readonly callback_values?: Readonly<Record<string, string>>
  readonly pkce?: 'required' | 'yes' | 'ignored' | 'no'
  /** Between the scopes of a request and of an answer; a space where it is left out. */
  readonly scope_separator?: ' ' | ',' | '+'
  /** Where the client secret goes; the body where it is left out. */
  readonly client_auth?: 'basic' | 'post' | 'both'
  /** How a token request is written; a form where it is left out. */
  readonly body?: 'form' | 'json'
  /** How an answer is written if nothing else is asked for; JSON where it is left out. */
  readonly answer?: 'json' | 'form'
  /** Where an error is: in the status, or in an answer with status 200. */
  readonly errors?: 'status' | 'in_answer'
  /** The member of an answer that holds the tokens, such as `authed_user`; else they are on top. */
  readonly answer_path?: string
  readonly extra_authorize?: Readonly<Record<string, string>>
  readonly extra_token?: Readonly<Record<string, string>>
}

/** How long tokens live; what is left out is not known. */
export interface ProviderLife {
  readonly access_seconds?: number
  readonly refresh_days?: number
  readonly refresh_idle_days?: number
  /** Whether a refresh ends the refresh token that was used. */
  readonly rotates?: 'yes' | 'no' | 'optional'
  /** Which member of an answer says when the access token ends. */
  readonly expiry?: 'expires_in' | 'expires_in_ms' | 'expires_at' | 'none'
}

/** A value that a connection brings for the placeholders in addresses: a subdomain, a region. */
export interface ProviderConfig {
  readonly name: string
  readonly label: string
  /** One class of characters and its length: `^[a-z0-9-]{1,63}$`. */
  readonly pattern?: string
  /** The only values; these may have dots. */
  readonly choices?: readonly string[]
  /** Who gives it: the person who connects, the provider's callback, or its answer with tokens. */
  readonly from?: 'person' | 'callback' | 'answer'
  /** What the provider calls it, where that is not `name`. */
  readonly parameter?: string
}

/** Where a credential goes in a call. */
export interface ProviderApi {
  readonly base_url?: string
  /** `Authorization` where it is left out. */
  readonly header?: string
  /** `Bearer` where it is left out; empty for the bare value. */
  readonly prefix?: string
  /** The parameter of the query that carries the credential; then no header does. */
  readonly query?: string
  /** User name and password of Basic, with the names of fields: `{sid}:{token}`. */
  readonly basic?: string
}

/** A value that people type to connect by key. */
export interface ProviderField {
  readonly name: string
  readonly label: string
  readonly secret: boolean
  readonly hint?: string
}

/**
 * Which account a connection leads to: members of the answer at `url`, or of the one with tokens.
 */
export interface ProviderIdentity {
  readonly url?: string
  /** The path of what never changes: `team.id`. */
  readonly id: string
  /** The path of what people recognise. */
  readonly label?: string
}

/** A request that tells whether a credential works. */
export interface ProviderCheck {
  readonly method: 'GET' | 'POST'
  readonly url: string
}

/** How a provider signs the calls that it makes to us. */
export interface ProviderWebhook {
  /** The header that has the signature. */
  readonly header: string
  /**
   * How the header is written: one `value`, where it is left out; `members` such as t=1,v1=2 of
   * which t is the time; a `list` with spaces between; or the `secret` itself.
   */
  readonly layout?: 'value' | 'members' | 'list' | 'secret'
  /** What stands before a signature, such as `sha256=`; of members, its name. */
  readonly prefix?: string
  readonly encoding?: 'hex' | 'base64'
  /** SHA-256 where it is left out. */
  readonly hash?: 'sha256' | 'sha1' | 'sha512'
  /** What is signed, with {body}, {timestamp} and {id}; the body where it is left out. */
  readonly signed?: string
  readonly timestamp_header?: string
  readonly timestamp_unit?: 's' | 'ms'
  readonly id_header?: string
  /** What the secret is: text where it is left out, or base64 that may begin with whsec_. */
  readonly secret_form?: 'text' | 'base64'
}

/** A page on which facts were read. */
export interface ProviderSource {
  readonly page: string
  /** The day, `YYYY-MM-DD`. */
  readonly read: string
  /** Paths of members: `auth.token_url`, or `auth` for all of its members. */
  readonly facts: readonly string[]
}

/** A provider of the catalogue, or one that an admin wrote. */
export interface Provider {
  readonly key: string
  readonly name: string
  readonly kind: 'oauth2' | 'keys'
  /** `confirmed`: each fact has a page on which it was read. `custom` where it is left out. */
  readonly status?: 'confirmed' | 'unconfirmed' | 'custom'
  readonly docs_url?: string
  readonly auth?: ProviderAuth
  readonly life?: ProviderLife
  readonly config?: readonly ProviderConfig[]
  readonly api?: ProviderApi
  readonly identity?: ProviderIdentity
  readonly check?: ProviderCheck
  readonly webhook?: ProviderWebhook
  readonly fields?: readonly ProviderField[]
  readonly sources?: readonly ProviderSource[]
}

/** Returns how the provider's endpoints are used. @throws {Error} it is connected by keys */
export function authOf({ key, auth }: Provider): ProviderAuth {
  if (auth === undefined) throw new Error(`The provider ${key} is not connected by OAuth.`)
  return auth
}
