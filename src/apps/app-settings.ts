// The settings of an app, one row each. Rows of the database, rules, members of the admin API,
// fields of the console, flags of the command line, files of `otesse apply` and texts are all made
// from this table. Invariant: a row for each member of AppSettings, and none besides; the order is
// that of rules, problems and lists of settings.
import { beginsOnItsOwn, type App, type AppSettings, type AppType } from '../model/app.ts'
import { SIGNING_ALGS, type SigningAlg } from '../model/signing-alg.ts'
import type { AppRow } from '../storage/schema.ts'
import type { Setting, SettingKind } from './setting.ts'

/** The kinds that fit the type of a value. */
type KindOf<Value> = [Value] extends [AppType]
  ? 'type'
  : [Value] extends [SigningAlg]
    ? 'choice'
    : [Value] extends [boolean]
      ? 'switch'
      : [Value] extends [readonly string[]]
        ? 'list'
        : [Value] extends [number | undefined]
          ? 'seconds'
          : 'line' | 'lines' | 'link' | 'handle'

/** One setting. */
export interface AppSetting extends Setting {
  /** The column in the table `apps` as well. */
  readonly wire: keyof AppRow
  readonly cli: Setting['cli'] & { readonly flag: string }
}

type SettingTable = {
  readonly [Name in keyof AppSettings]: AppSetting & {
    readonly kind: KindOf<AppSettings[Name]>
  }
}

export const APP_SETTINGS = {
  handle: {
    kind: 'handle',
    wire: 'handle',
    since: '0.1.0',
    api: {
      description: 'Identifies the app in files and scripts; unique.',
      example: 'bookings-dashboard',
    },
    cli: {
      flag: '--handle <handle>',
      help: 'your own identifier for the app in files and commands',
      label: 'Handle',
    },
    console: {
      label: 'Handle',
      section: 'advanced',
      hint: 'Identifies the app in files and scripts, such as booking-sync.',
      isNarrow: true,
    },
  },
  name: {
    kind: 'line',
    wire: 'name',
    since: '0.1.0',
    required: true,
    max: 80,
    api: { description: 'What users see on the consent page.', example: 'Bookings Dashboard' },
    cli: { flag: '--name <name>', help: 'what users see on the consent page', label: 'Name' },
    console: { label: 'Name' },
  },
  type: {
    kind: 'type',
    wire: 'type',
    since: '0.1.0',
    required: true,
    api: {
      description:
        '`web` keeps a secret, `public` cannot and uses PKCE, `machine` acts for itself, `resource_server` is an API. It never changes.',
    },
    cli: { flag: '--type <type>', help: 'web, public, machine or resource-server', label: 'Type' },
    console: { label: 'Type' },
  },
  description: {
    kind: 'lines',
    wire: 'description',
    since: '0.1.0',
    max: 500,
    api: { description: 'One or two sentences for the consent page.' },
    cli: {
      flag: '--description <text>',
      help: 'one or two sentences for the consent page',
      label: 'Description',
    },
    console: { label: 'Description' },
  },
  homepageUrl: {
    kind: 'link',
    wire: 'homepage_url',
    since: '0.1.0',
    api: { description: 'An https address.' },
    cli: { flag: '--homepage <url>', label: 'Homepage' },
    console: { label: 'Website', section: 'about' },
  },
  privacyUrl: {
    kind: 'link',
    wire: 'privacy_url',
    since: '0.1.0',
    api: { description: 'An https address.' },
    cli: { flag: '--privacy <url>', label: 'Privacy' },
    console: { label: 'Privacy policy', section: 'about' },
  },
  termsUrl: {
    kind: 'link',
    wire: 'terms_url',
    since: '0.1.0',
    api: { description: 'An https address.' },
    cli: { flag: '--terms <url>', label: 'Terms' },
    console: { label: 'Terms of use', section: 'about' },
  },
  ownerContact: {
    kind: 'line',
    wire: 'owner_contact',
    since: '0.1.0',
    max: 200,
    api: { description: 'Who owns the app, for admins.' },
    cli: { flag: '--contact <text>', help: 'who owns the app, for admins', label: 'Contact' },
    console: {
      label: 'Owner’s contact',
      section: 'about',
      hint: 'Who to contact about problems with the app. Only admins see it.',
    },
  },
  environment: {
    kind: 'line',
    wire: 'environment',
    since: '0.1.0',
    max: 40,
    api: { description: 'A label like `production`.' },
    cli: { flag: '--environment <label>', help: 'production, staging …', label: 'Environment' },
    console: {
      label: 'Environment',
      section: 'about',
      hint: 'Your own label, such as production or staging.',
      isNarrow: true,
    },
  },
  redirectUris: {
    kind: 'list',
    wire: 'redirect_uris',
    since: '0.1.0',
    max: 50,
    api: { description: 'Where users return to; matched exactly.' },
    cli: {
      flag: '--redirect-uri <uri>',
      help: 'where users return to; may be repeated',
      label: 'Redirect URIs',
    },
    console: { label: 'Redirect URIs' },
  },
  allowedOrigins: {
    kind: 'list',
    wire: 'allowed_origins',
    since: '0.1.0',
    max: 50,
    api: {
      description:
        'Origins of web pages that may read answers of token, revoke and userinfo, beside those of the redirect URIs; only `public`.',
      example: 'capacitor://localhost',
    },
    cli: {
      flag: '--origin <origin>',
      help: 'a web origin that may call, beside those of the redirect URIs (public apps); may be repeated',
      label: 'Allowed origins',
    },
    console: {
      label: 'Allowed origins',
      section: 'advanced',
      onlyFor: 'public',
      hint: 'Origins whose pages may read token responses, one per line, such as capacitor://localhost, https://localhost or chrome-extension://… with its ID. The origins of the redirect URIs are always allowed.',
    },
  },
  scopes: {
    kind: 'list',
    wire: 'scopes',
    since: '0.1.0',
    max: 200,
    api: { description: 'What the app may request.' },
    cli: {
      flag: '--scope <scopes>',
      help: 'may be repeated, or a comma-separated list',
      hasCommas: true,
      label: 'Scopes',
    },
    console: { label: 'Scopes' },
  },
  audiences: {
    kind: 'list',
    wire: 'audiences',
    since: '0.1.0',
    max: 20,
    api: { description: 'The APIs that it may request tokens for (RFC 8707), or that it is.' },
    cli: {
      flag: '--audience <name>',
      help: 'an API that a machine app may request tokens for, or that a resource server is; may be repeated',
      label: 'Audiences',
    },
    console: {
      label: 'Audiences',
      section: 'advanced',
      hint: 'The APIs that the app can name in a request (RFC 8707), one per line. Leave empty if it names none.',
    },
  },
  clientCredentials: {
    kind: 'switch',
    wire: 'client_credentials',
    since: '0.1.0',
    api: {
      description:
        'May get tokens for itself with its secret alone; only `web` and `machine`. Default: on for `machine`, off for `web`.',
    },
    cli: {
      flag: '--client-credentials',
      help: 'let a web app get tokens for itself with its secret alone (on by default for machine apps)',
      off: 'no more tokens for itself; existing ones end',
      label: 'client credentials',
    },
    console: {
      label: 'Client credentials',
      section: 'advanced',
      onlyFor: 'self',
      hint: 'Lets the app get tokens for itself with its secret alone, without anyone’s consent, for all its scopes that are not about a user. Leave off unless the app also works without users.',
    },
  },
  localhostAnyPort: {
    kind: 'switch',
    wire: 'localhost_any_port',
    since: '0.1.0',
    api: {
      description:
        'Redirect URIs of `http://localhost` match with any port, as those of `http://127.0.0.1` do; only `public`.',
    },
    cli: {
      flag: '--localhost-any-port',
      help: 'http://localhost matches with any port (public apps)',
      off: 'http://localhost matches with its registered port alone',
      label: 'localhost with any port',
    },
    console: {
      label: 'Any port on localhost',
      section: 'advanced',
      onlyFor: 'public',
      hint: 'Accepts http://localhost redirect URIs with any port, which 127.0.0.1 and [::1] have anyway. The name can resolve to another machine, and whatever listens there receives the code. Turn it on only for clients that cannot use 127.0.0.1.',
    },
  },
  schemesWithoutDomain: {
    kind: 'switch',
    wire: 'schemes_without_domain',
    since: '0.1.0',
    api: {
      description:
        'Redirect URIs may have schemes without a domain, like `cursor:`; only `public`.',
    },
    cli: {
      flag: '--schemes-without-domain',
      help: 'take redirect URIs like cursor://… whose scheme is no domain (public apps)',
      off: 'a scheme of the app’s own is a domain again',
      label: 'schemes without a domain',
    },
    console: {
      label: 'Schemes without a domain',
      section: 'advanced',
      onlyFor: 'public',
      hint: 'Accepts redirect URIs with schemes such as cursor:, vscode:, exp: or msal…:. Nobody owns such a scheme: another app on the same device can claim it and receive the code, which only PKCE keeps it from using. Turn it on only for clients that have no other address.',
    },
  },
  requirePkce: {
    kind: 'switch',
    wire: 'require_pkce',
    since: '0.1.0',
    api: { description: 'Refuse authorization without PKCE; public apps always.' },
    cli: {
      flag: '--require-pkce',
      help: 'refuse authorization without PKCE (public apps always)',
      off: 'make PKCE optional again',
      label: 'PKCE required',
    },
    console: {
      label: 'Require PKCE',
      section: 'advanced',
      onlyFor: 'users',
      hint: 'Recommended: makes a stolen or injected code useless. Turn it off only for an app whose library cannot send a code challenge. Always on for native apps and SPAs.',
    },
  },
  rotateRefreshTokens: {
    kind: 'switch',
    wire: 'rotate_refresh_tokens',
    since: '0.1.0',
    api: { description: 'A new refresh token with every use; public apps always.' },
    cli: {
      flag: '--rotate',
      help: 'a new refresh token with every use (public apps always)',
      off: 'the refresh token stays the same',
      label: 'refresh token rotation',
    },
    console: {
      label: 'Rotate refresh tokens',
      section: 'advanced',
      onlyFor: 'users',
      hint: 'Each use issues a new token and revokes the old one. Always on for native apps and SPAs.',
    },
  },
  slidingRefresh: {
    kind: 'switch',
    wire: 'sliding_refresh',
    since: '0.1.0',
    api: { description: 'Every use extends the lifetime of the refresh token.' },
    cli: {
      flag: '--sliding',
      help: 'every use extends the lifetime of the refresh token',
      off: 'the lifetime of the refresh token is fixed',
      label: 'sliding refresh tokens',
    },
    console: {
      label: 'Sliding refresh tokens',
      section: 'advanced',
      onlyFor: 'users',
      hint: 'Each use restarts the lifetime of the refresh token, up to the server’s maximum.',
    },
  },
  accessTtlSeconds: {
    kind: 'seconds',
    wire: 'access_ttl_seconds',
    since: '0.1.0',
    api: { description: 'The lifetime of access tokens, instead of the server’s default.' },
    cli: {
      flag: '--access-ttl <seconds>',
      help: 'lifetime of access tokens, instead of the server’s default',
      label: 'Access tokens',
    },
    console: { label: 'Access token lifetime', section: 'advanced', isNarrow: true },
  },
  refreshTtlSeconds: {
    kind: 'seconds',
    wire: 'refresh_ttl_seconds',
    since: '0.1.0',
    api: { description: 'The lifetime of refresh tokens, instead of the server’s default.' },
    cli: {
      flag: '--refresh-ttl <seconds>',
      help: 'lifetime of refresh tokens, instead of the server’s default',
      label: 'Refresh tokens',
    },
    console: {
      label: 'Refresh token lifetime',
      section: 'advanced',
      isNarrow: true,
      onlyFor: 'users',
    },
  },
  idTokenSignedResponseAlg: {
    kind: 'choice',
    wire: 'id_token_signed_response_alg',
    since: '0.1.0',
    choices: SIGNING_ALGS,
    api: { description: 'What id_tokens of the app are signed with (OpenID Connect).' },
    cli: {
      flag: '--id-token-alg <alg>',
      help: 'what id_tokens are signed with: RS256 or ES256',
      label: 'ID tokens',
    },
    console: {
      label: 'ID token signature',
      section: 'advanced',
      isNarrow: true,
      onlyFor: 'users',
      hint: 'RS256 is what OpenID Connect libraries expect unless they are told otherwise. ES256 signatures are shorter.',
    },
  },
} as const satisfies SettingTable

export type SettingName = keyof AppSettings

/** A setting with its name. */
export type NamedSetting = readonly [name: SettingName, setting: AppSetting]

/** All settings with their names, in order. */
export const ALL_SETTINGS = Object.entries(APP_SETTINGS) as readonly NamedSetting[]

/** The names of all settings, in order. */
export const SETTING_NAMES = Object.keys(APP_SETTINGS) as readonly SettingName[]

/** Returns the names of the settings of these kinds, in order. */
export const settingsOfKind = <Kind extends SettingKind>(
  ...kinds: readonly Kind[]
): readonly NamesOfKind<Kind>[] =>
  ALL_SETTINGS.flatMap(([name, { kind }]) =>
    (kinds as readonly SettingKind[]).includes(kind) ? [name as NamesOfKind<Kind>] : [],
  )

/** The names of the settings of a kind. */
export type NamesOfKind<Kind extends SettingKind> = {
  [Name in SettingName]: (typeof APP_SETTINGS)[Name]['kind'] extends Kind ? Name : never
}[SettingName]

/** Makes the settings by asking for each. */
export const makeSettings = (valueOf: (name: SettingName) => unknown): AppSettings =>
  Object.fromEntries(SETTING_NAMES.map((name) => [name, valueOf(name)])) as unknown as AppSettings

/** Returns the settings of an app. */
export const settingsOf = (app: App): AppSettings => makeSettings((name) => app[name])

/** Returns what a setting can be; empty where it is no choice. */
export function choicesOf(name: SettingName): readonly string[] {
  const { choices = [] }: AppSetting = APP_SETTINGS[name]
  return choices
}

/** Returns what a new app of the type has where nothing is said. */
export function defaultOf(name: SettingName, type: AppType): unknown {
  switch (APP_SETTINGS[name].kind) {
    case 'list':
      return []
    case 'switch':
      return name === 'clientCredentials' && beginsOnItsOwn(type)
    case 'choice':
      return choicesOf(name)[0]
    default:
      return undefined
  }
}
