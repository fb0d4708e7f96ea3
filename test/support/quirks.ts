// In what providers differ, as data: what they want, how they answer and how they refuse. Written
// from their documentation. Used by quirk-provider.ts.
import type { IncomingMessage } from 'node:http'

export type QuirkName =
  'plain' | 'slack' | 'github' | 'square' | 'zoho' | 'shopify' | 'quickbooks' | 'keys'

/** Tokens that were made, before they are written in the provider's way. */
export interface Minted {
  account: string
  accessToken: string
  refreshToken: string | undefined
  /** With the provider's separator. */
  scope: string
  accessSeconds: number
}

export interface Quirk {
  separator: string
  /** Whether a refresh ends the refresh token that was used. */
  rotates: boolean
  wantsJson?: boolean
  basicOnly?: boolean
  /** Answers in forms, unless JSON is asked for. */
  writesForms?: boolean
  wrongClient: string
  wrongCode: string
  wrongRefresh: string
  /** @param base the provider's address on the server of the tests */
  definition(base: string): Record<string, unknown>
  tokens(minted: Minted): Record<string, unknown>
  refuse(error: string, description?: string): { status: number; body: Record<string, unknown> }
  /** What the callback brings beside code and state. */
  callback?(account: string): Record<string, string>
  /** The parameter in which the callback is signed. */
  signature?: string
  credentialOf(request: IncomingMessage, url: URL): string | undefined
  me(account: string): Record<string, unknown>
  wrongToken?: { status: number; body: Record<string, unknown> }
}

const bearer = ({ headers }: IncomingMessage): string | undefined =>
  /^Bearer (.*)$/.exec(headers.authorization ?? '')?.[1]

const refuseByStatus: Quirk['refuse'] = (error, description) => ({
  status: error === 'invalid_client' ? 401 : 400,
  body: { error, ...(description === undefined ? {} : { error_description: description }) },
})

const idOf = (account: string): string => `id-of-${account}`

const PLAIN: Quirk = {
  separator: ' ',
  rotates: true,
  wrongClient: 'invalid_client',
  wrongCode: 'invalid_grant',
  wrongRefresh: 'invalid_grant',
  definition: (base) => ({
    key: 'plain',
    name: 'Plain CRM',
    kind: 'oauth2',
    auth: {
      authorize_url: `${base}/authorize`,
      token_url: `${base}/token`,
      revoke_url: `${base}/revoke`,
      pkce: 'yes',
    },
    life: { rotates: 'yes' },
    api: { base_url: base },
    identity: { url: `${base}/me`, id: 'sub', label: 'email' },
    check: { method: 'GET', url: `${base}/me` },
  }),
  tokens: ({ accessToken, refreshToken, scope, accessSeconds }) => ({
    access_token: accessToken,
    refresh_token: refreshToken,
    token_type: 'Bearer',
    expires_in: accessSeconds,
    scope,
  }),
  refuse: refuseByStatus,
  credentialOf: bearer,
  me: (account) => ({ sub: idOf(account), email: `${account}@crm.example` }),
}

const SLACK: Quirk = {
  separator: ',',
  rotates: true,
  wrongClient: 'bad_client_secret',
  wrongCode: 'invalid_code',
  wrongRefresh: 'invalid_refresh_token',
  definition: (base) => ({
    key: 'slack-here',
    name: 'Slack',
    kind: 'oauth2',
    auth: {
      authorize_url: `${base}/authorize`,
      token_url: `${base}/token`,
      revoke_url: `${base}/revoke`,
      revoke: 'bearer',
      scope_separator: ',',
      client_auth: 'basic',
      errors: 'in_answer',
    },
    identity: { id: 'team.id', label: 'team.name' },
    check: { method: 'POST', url: `${base}/me` },
  }),
  tokens: ({ account, accessToken, refreshToken, scope, accessSeconds }) => ({
    ok: true,
    access_token: accessToken,
    token_type: 'bot',
    scope,
    expires_in: accessSeconds,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    team: { id: idOf(account), name: `${account}’s team` },
    authed_user: { id: 'U1234' },
  }),
  refuse: (error) => ({ status: 200, body: { ok: false, error } }),
  credentialOf: bearer,
  me: (account) => ({ ok: true, team_id: idOf(account), user: account }),
  wrongToken: { status: 200, body: { ok: false, error: 'token_revoked' } },
}

const GITHUB: Quirk = {
  separator: ' ',
  rotates: true,
  writesForms: true,
  wrongClient: 'incorrect_client_credentials',
  wrongCode: 'bad_verification_code',
  wrongRefresh: 'bad_refresh_token',
  definition: (base) => ({
    key: 'github-here',
    name: 'GitHub',
    kind: 'oauth2',
    auth: {
      authorize_url: `${base}/authorize`,
      token_url: `${base}/token`,
      answer: 'form',
      errors: 'in_answer',
    },
    identity: { url: `${base}/me`, id: 'id', label: 'login' },
    check: { method: 'GET', url: `${base}/me` },
  }),
  tokens: ({ accessToken, refreshToken, scope }) => ({
    access_token: accessToken,
    expires_in: 28_800,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    refresh_token_expires_in: 15_897_600,
    scope: scope.replaceAll(' ', ','),
    token_type: 'bearer',
  }),
  refuse: (error) => ({
    status: 200,
    body: { error, error_description: 'The request was refused.', error_uri: 'https://docs.test/' },
  }),
  credentialOf: bearer,
  me: (account) => ({ id: 4321, login: account }),
}

const SQUARE: Quirk = {
  separator: ' ',
  rotates: false,
  wantsJson: true,
  wrongClient: 'invalid_client',
  wrongCode: 'invalid_grant',
  wrongRefresh: 'invalid_grant',
  definition: (base) => ({
    key: 'square-here',
    name: 'Square',
    kind: 'oauth2',
    auth: {
      authorize_url: `${base}/authorize`,
      token_url: `${base}/token`,
      body: 'json',
      extra_authorize: { session: 'false' },
    },
    life: { expiry: 'expires_at', rotates: 'no' },
    identity: { id: 'merchant_id' },
    check: { method: 'GET', url: `${base}/me` },
  }),
  tokens: ({ account, accessToken, refreshToken, accessSeconds }) => ({
    access_token: accessToken,
    token_type: 'bearer',
    expires_at: new Date(Date.now() + accessSeconds * 1000).toISOString(),
    merchant_id: idOf(account),
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    short_lived: false,
  }),
  refuse: (error) => ({
    status: error === 'invalid_client' ? 401 : 400,
    body: { errors: [{ category: 'AUTHENTICATION_ERROR', code: error, detail: 'Refused.' }] },
  }),
  credentialOf: bearer,
  me: (account) => ({ merchant: { id: idOf(account) } }),
}

const ZOHO: Quirk = {
  separator: ',',
  rotates: false,
  wrongClient: 'invalid_client',
  wrongCode: 'invalid_code',
  wrongRefresh: 'invalid_code',
  definition: (base) => ({
    key: 'zoho-here',
    name: 'Zoho',
    kind: 'oauth2',
    auth: {
      authorize_url: `${base}/{dc}/authorize`,
      token_url: `${base}/{dc}/token`,
      scope_separator: ',',
      errors: 'in_answer',
      extra_authorize: { access_type: 'offline', prompt: 'consent' },
    },
    api: { prefix: 'Zoho-oauthtoken' },
    config: [{ name: 'dc', label: 'Data center', choices: ['com', 'eu', 'com.au'] }],
    check: { method: 'GET', url: `${base}/{dc}/me` },
  }),
  tokens: ({ accessToken, refreshToken, accessSeconds }) => ({
    access_token: accessToken,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    api_domain: 'https://www.zohoapis.eu',
    token_type: 'Bearer',
    expires_in: accessSeconds,
  }),
  refuse: (error) => ({ status: 200, body: { error } }),
  callback: () => ({ location: 'eu', 'accounts-server': 'https://accounts.zoho.eu' }),
  credentialOf: ({ headers }) => /^Zoho-oauthtoken (.*)$/.exec(headers.authorization ?? '')?.[1],
  me: (account) => ({ users: [{ id: idOf(account) }] }),
}

const SHOPIFY: Quirk = {
  separator: ',',
  rotates: true,
  wrongClient: 'invalid_client',
  wrongCode: 'invalid_request',
  wrongRefresh: 'invalid_grant',
  definition: (base) => ({
    key: 'shopify-here',
    name: 'Shopify',
    kind: 'oauth2',
    auth: {
      authorize_url: `${base}/{shop}/authorize`,
      token_url: `${base}/{shop}/token`,
      scope_separator: ',',
      pkce: 'no',
      extra_token: { expiring: '1' },
      callback_signature: 'hmac',
      callback_values: { shop: '{shop}.myshopify.com' },
    },
    api: { base_url: `${base}/{shop}`, header: 'X-Shopify-Access-Token', prefix: '' },
    config: [{ name: 'shop', label: 'Shop name', pattern: '^[a-z0-9-]{1,63}$' }],
    check: { method: 'GET', url: `${base}/{shop}/me` },
  }),
  tokens: ({ accessToken, refreshToken, scope, accessSeconds }) => ({
    access_token: accessToken,
    scope,
    expires_in: accessSeconds,
    refresh_token: refreshToken,
    refresh_token_expires_in: 7_776_000,
  }),
  refuse: refuseByStatus,
  callback: () => ({ shop: 'flowers.myshopify.com', host: 'YWRtaW4=', timestamp: '1' }),
  signature: 'hmac',
  credentialOf: ({ headers }) => {
    const value = headers['x-shopify-access-token']
    return typeof value === 'string' ? value : undefined
  },
  me: () => ({ shop: { id: 1, name: 'Flowers' } }),
}

const QUICKBOOKS: Quirk = {
  separator: ' ',
  rotates: true,
  basicOnly: true,
  wrongClient: 'invalid_client',
  wrongCode: 'invalid_grant',
  wrongRefresh: 'invalid_grant',
  definition: (base) => ({
    key: 'quickbooks-here',
    name: 'QuickBooks',
    kind: 'oauth2',
    auth: {
      authorize_url: `${base}/authorize`,
      token_url: `${base}/token`,
      revoke_url: `${base}/revoke`,
      client_auth: 'basic',
    },
    config: [
      {
        name: 'realm',
        label: 'Company',
        pattern: '^[0-9]{1,20}$',
        from: 'callback',
        parameter: 'realmId',
      },
    ],
    check: { method: 'GET', url: `${base}/{realm}/me` },
  }),
  tokens: ({ accessToken, refreshToken, accessSeconds }) => ({
    x_refresh_token_expires_in: 8_726_400,
    refresh_token: refreshToken,
    access_token: accessToken,
    token_type: 'bearer',
    expires_in: accessSeconds,
  }),
  refuse: refuseByStatus,
  callback: () => ({ realmId: '9130357849' }),
  credentialOf: bearer,
  me: () => ({ CompanyInfo: { CompanyName: 'Flowers' } }),
}

const KEYS: Quirk = {
  ...PLAIN,
  definition: (base) => ({
    key: 'keys-here',
    name: 'Mail Sender',
    kind: 'keys',
    api: { base_url: base, header: 'X-Server-Token', prefix: '' },
    fields: [
      { name: 'api_key', label: 'Server token', secret: true, hint: 'Under Settings, API tokens' },
    ],
    identity: { url: `${base}/me`, id: 'sub', label: 'email' },
    check: { method: 'GET', url: `${base}/me` },
  }),
  credentialOf: ({ headers }) => {
    const value = headers['x-server-token']
    return typeof value === 'string' ? value : undefined
  },
}

/** Each way to be a provider. */
export const QUIRKS: Readonly<Record<QuirkName, Quirk>> = {
  plain: PLAIN,
  slack: SLACK,
  github: GITHUB,
  square: SQUARE,
  zoho: ZOHO,
  shopify: SHOPIFY,
  quickbooks: QUICKBOOKS,
  keys: KEYS,
}
