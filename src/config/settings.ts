// THE table of settings: environment name, parser, default, what it means. From it come the typed
// Config, the check for unknown names, and docs/settings.md (a test compares them). A setting
// exists when it has a row here.
import type { LogLevel } from '../shared/logger.ts'
import type { Secret } from '../shared/secret.ts'
import * as gateway from './gateway-parsers.ts'
import * as parse from './parsers.ts'

/** What some defaults depend on. */
export interface Mode {
  /** Neither database nor Redis is configured: everything is kept in this process and its data directory. */
  embedded: boolean
  /** NODE_ENV is `production`. */
  production: boolean
}

/** One row of the table. */
export interface ServerSetting<T> {
  env: string
  /** @throws {Error} with a sentence that does not repeat the text */
  parse: (text: string) => T
  /** The value when the variable is absent or empty. */
  fallback: (mode: Mode) => T
  /** The default as docs/settings.md shows it. */
  shownDefault: string
  unit: Unit | undefined
  /** Never repeated in a message; may also come from the file that `<NAME>_FILE` names. */
  secret: boolean
  /** One sentence for the operator. */
  doc: string
}

export type Unit = '%' | 's' | 'ms' | 'days' | 'points/s'

interface Facts<T> {
  parse: (text: string) => T
  unit?: Unit
  doc: string
}

type Given<T> = Facts<T> & { default: T; shownDefault?: string }
type ByMode<T> = Facts<T> & { defaultByMode: (mode: Mode) => T; shownDefault: string }

function setting<T>(env: string, facts: Given<T> | ByMode<T>): ServerSetting<T> {
  const fallback = 'defaultByMode' in facts ? facts.defaultByMode : () => facts.default
  return {
    env,
    parse: facts.parse,
    fallback,
    shownDefault: facts.shownDefault ?? String('default' in facts ? facts.default : ''),
    unit: facts.unit,
    secret: false,
    doc: facts.doc,
  }
}

function limit(
  env: string,
  points: number,
  seconds: number,
  doc: string,
): ServerSetting<parse.Limit> {
  const shownDefault = `${points}/${seconds}`
  const facts = { parse: parse.limit, default: { points, seconds }, shownDefault, doc }
  return setting(env, { ...facts, unit: 'points/s' })
}

function optional<T>(
  env: string,
  facts: Facts<T> & { shownDefault?: string },
): ServerSetting<T | undefined> {
  return setting<T | undefined>(env, { shownDefault: '', ...facts, default: undefined })
}

/** A secret has no default; where it is needed is a matter of checks.ts. */
function secret<T extends Secret<string> | readonly Secret<string>[]>(
  env: string,
  facts: Facts<T>,
): ServerSetting<T | undefined> {
  return { ...optional<T>(env, facts), secret: true }
}

function unsafe(env: `OTESSE_UNSAFE_${string}`, doc: string): ServerSetting<boolean> {
  return setting(env, { parse: parse.flag, default: false, doc })
}

const TEN_YEARS_SECONDS = 315_360_000
const ttl = parse.wholeNumber(1, TEN_YEARS_SECONDS)
const timeout = parse.wholeNumber(50, 60_000)

/** The settings by section and key of the Config. */
const SETTINGS = {
  server: {
    issuer: optional('OTESSE_ISSUER', {
      parse: parse.issuer,
      shownDefault: '`http://localhost:<port>` when embedded and not in production',
      doc: 'The public address of this server, as apps see it.',
    }),
    host: setting('OTESSE_HOST', {
      parse: parse.plainText,
      defaultByMode: ({ embedded }) => (embedded ? '127.0.0.1' : '0.0.0.0'),
      shownDefault: '`0.0.0.0`, embedded `127.0.0.1`',
      doc: 'The address to listen on.',
    }),
    port: setting('OTESSE_PORT', {
      parse: parse.port,
      default: 3000,
      doc: 'The port to listen on; 0 takes any free one.',
    }),
    trustedProxies: setting('OTESSE_TRUSTED_PROXIES', {
      parse: parse.networkList,
      default: [],
      doc: 'Addresses and networks of your own proxies, comma-separated. Only their X-Forwarded-For header is trusted.',
    }),
    hstsSeconds: setting('OTESSE_HSTS_SECONDS', {
      parse: parse.wholeNumber(0, TEN_YEARS_SECONDS),
      default: 31_536_000,
      unit: 's',
      doc: 'How long browsers must use https only (Strict-Transport-Security), sent if the issuer is https; 0 sends nothing.',
    }),
    shutdownGraceSeconds: setting('OTESSE_SHUTDOWN_GRACE_SECONDS', {
      parse: parse.wholeNumber(0, 3600),
      default: 20,
      unit: 's',
      doc: 'How long requests may take to finish after SIGTERM.',
    }),
    logLevel: setting<LogLevel>('OTESSE_LOG_LEVEL', {
      parse: parse.oneOf('debug', 'info', 'warn', 'error', 'silent'),
      default: 'info',
      doc: 'The least severe log line to write: debug, info, warn, error or silent.',
    }),
  },
  ops: {
    host: setting('OTESSE_OPS_HOST', {
      parse: parse.plainText,
      default: '127.0.0.1',
      doc: 'The address of the operations port. Metrics are for your own network: do not expose this port elsewhere.',
    }),
    port: setting('OTESSE_OPS_PORT', {
      parse: parse.port,
      defaultByMode: ({ embedded }) => (embedded ? 0 : 9400),
      shownDefault: '`9400`, embedded `0`',
      doc: 'The port of /metrics, /healthz and /readyz; 0 opens none. Both health addresses are on the main port as well.',
    }),
  },
  database: {
    url: secret('OTESSE_DATABASE_URL', {
      parse: parse.postgresUrl,
      doc: 'Postgres, as postgres://user:password@host:port/database. Set it together with OTESSE_REDIS_URL, or neither for embedded mode.',
    }),
    poolSize: setting('OTESSE_DATABASE_POOL_SIZE', {
      parse: parse.wholeNumber(1, 1000),
      default: 10,
      doc: 'Connections to Postgres for each process.',
    }),
    connectTimeoutMillis: setting('OTESSE_DATABASE_CONNECT_TIMEOUT_MS', {
      parse: timeout,
      default: 1500,
      unit: 'ms',
      doc: 'How long to wait for a connection to Postgres.',
    }),
    queryTimeoutMillis: setting('OTESSE_DATABASE_QUERY_TIMEOUT_MS', {
      parse: timeout,
      default: 1800,
      unit: 'ms',
      doc: 'How long to wait for a response from Postgres.',
    }),
  },
  redis: {
    url: secret('OTESSE_REDIS_URL', {
      parse: parse.redisUrl,
      doc: 'Redis, as redis://host:port, redis-sentinel://host:port,host:port/master or redis-cluster://host:port,host:port (rediss… with TLS).',
    }),
    prefix: setting('OTESSE_REDIS_PREFIX', {
      parse: parse.keyPrefix,
      default: 'otesse:',
      doc: 'The prefix of every key, so that several servers can share one Redis.',
    }),
    ca: secret('OTESSE_REDIS_CA', {
      parse: parse.pem('CERTIFICATE'),
      doc: 'The CA certificate that signed Redis’ certificate, in PEM, if the system does not know it. For rediss URLs; also used for sentinels and all nodes of a Cluster.',
    }),
    certificate: secret('OTESSE_REDIS_CERT', {
      parse: parse.pem('CERTIFICATE'),
      doc: 'The client certificate with which this server authenticates to Redis, in PEM. Set it together with OTESSE_REDIS_KEY.',
    }),
    key: secret('OTESSE_REDIS_KEY', {
      parse: parse.pem('PRIVATE KEY'),
      doc: 'The private key of OTESSE_REDIS_CERT, in PEM and without a password.',
    }),
    serverName: optional('OTESSE_REDIS_SERVER_NAME', {
      parse: parse.hostName,
      doc: 'The name that Redis’ certificate must have, if it is not the name in the URL: for sentinels and Clusters that report IP addresses.',
    }),
  },
  embedded: {
    dataDirectory: setting('OTESSE_DATA_DIR', {
      parse: parse.plainText,
      default: '.data',
      doc: 'Where embedded mode stores everything; `memory` stores nothing.',
    }),
  },
  secrets: {
    secretKeys: secret('OTESSE_SECRET_KEY', {
      parse: parse.secretList,
      doc: 'The key that protects client secrets, cookies and refresh tokens, at least 32 random characters (`openssl rand -base64 48`). To rotate, put the new one before the old: `new,old`. Embedded mode creates its own.',
    }),
    encryptionKeys: secret('OTESSE_ENCRYPTION_KEY', {
      parse: parse.secretList,
      doc: 'The key that encrypts signing keys, and answers kept for repeated requests, in the database; set and rotated like OTESSE_SECRET_KEY.',
    }),
    connectionsKeys: secret('OTESSE_CONNECTIONS_KEY', {
      parse: parse.secretList,
      doc: 'The key that encrypts the credentials of connections in the database; written and rotated like OTESSE_SECRET_KEY. Without it they are encrypted under OTESSE_ENCRYPTION_KEY.',
    }),
  },
  tokens: {
    accessTtlSeconds: setting('OTESSE_ACCESS_TOKEN_TTL_SECONDS', {
      parse: ttl,
      default: 3600,
      unit: 's',
      doc: 'The lifetime of an access token.',
    }),
    refreshTtlSeconds: setting('OTESSE_REFRESH_TOKEN_TTL_SECONDS', {
      parse: ttl,
      default: 2_592_000,
      unit: 's',
      doc: 'The lifetime of a refresh token. After that the user authorizes again.',
    }),
    codeTtlSeconds: setting('OTESSE_CODE_TTL_SECONDS', {
      parse: parse.wholeNumber(1, 600),
      default: 60,
      unit: 's',
      doc: 'How long an app has to exchange an authorization code.',
    }),
    grantMaxTtlSeconds: setting('OTESSE_GRANT_MAX_TTL_SECONDS', {
      parse: ttl,
      default: 31_536_000,
      unit: 's',
      doc: 'The longest lifetime of an authorization whose refresh tokens are renewed by use.',
    }),
    refreshGraceSeconds: setting('OTESSE_REFRESH_GRACE_SECONDS', {
      parse: parse.wholeNumber(0, 120),
      default: 30,
      unit: 's',
      doc: 'How long a rotated refresh token is still accepted, with the same new token as the answer.',
    }),
  },
  signIn: {
    sessionTtlSeconds: setting('OTESSE_SESSION_TTL_SECONDS', {
      parse: ttl,
      default: 1_209_600,
      unit: 's',
      doc: 'How long a user stays signed in to this server without using it. Tokens do not depend on it.',
    }),
    sessionMaxSeconds: setting('OTESSE_SESSION_MAX_SECONDS', {
      parse: ttl,
      default: 2_592_000,
      unit: 's',
      doc: 'After how long a user must sign in again, even if the session is in use.',
    }),
    passwordHashingConcurrency: setting('OTESSE_PASSWORD_HASHING_CONCURRENCY', {
      parse: parse.wholeNumber(1, 64),
      default: 2,
      doc: 'How many passwords each process checks at the same time; each check uses one core and its memory.',
    }),
  },
  limits: {
    tokenPerClient: limit(
      'OTESSE_LIMIT_TOKEN_PER_CLIENT',
      6000,
      60,
      'Requests from one app to /oauth/token and /oauth/revoke. A limit is points/seconds, 0 is no limit.',
    ),
    tokenPerAddress: limit(
      'OTESSE_LIMIT_TOKEN_PER_ADDRESS',
      3000,
      60,
      'Requests from one address (IPv6: one /64 network) to /oauth/token and /oauth/revoke.',
    ),
    introspectPerClient: limit(
      'OTESSE_LIMIT_INTROSPECT_PER_CLIENT',
      120_000,
      60,
      'Introspections of one client.',
    ),
    verifyPerGateway: limit(
      'OTESSE_LIMIT_VERIFY_PER_GATEWAY',
      600_000,
      60,
      'Requests from one gateway to /oauth/verify, and of one address that is no gateway.',
    ),
    authorizePerAddress: limit(
      'OTESSE_LIMIT_AUTHORIZE_PER_ADDRESS',
      300,
      60,
      'Requests from one address to /oauth/authorize and the pages for users.',
    ),
    authorizePerNetwork: limit(
      'OTESSE_LIMIT_AUTHORIZE_PER_NETWORK',
      3000,
      60,
      'The same for a whole network, IPv4 /24 or IPv6 /48, because one sender may have every address of it.',
    ),
    authorizeEverywhere: limit(
      'OTESSE_LIMIT_AUTHORIZE_EVERYWHERE',
      6000,
      60,
      'Sign-ins that browsers without a session begin, from everywhere together: each is kept in Redis for ten minutes. Users who are signed in are not counted.',
    ),
    redisMemoryPercent: setting('OTESSE_REDIS_MEMORY_WATERMARK', {
      parse: parse.wholeNumber(1, 100),
      default: 80,
      unit: '%',
      doc: 'The share of Redis’ maxmemory above which browsers without a session can no longer begin a sign-in (503), so that there is room for tokens and revocations.',
    }),
    readsPerAddress: limit(
      'OTESSE_LIMIT_READS_PER_ADDRESS',
      1200,
      60,
      'Requests from one address to metadata, keys, userinfo, logos and styles, and, counted apart, to the health addresses of the main port; a network has ten times as many.',
    ),
    failedProofsPerAddress: limit(
      'OTESSE_LIMIT_FAILED_PROOFS_PER_ADDRESS',
      100,
      60,
      'Requests from one address with a wrong client secret, token or gateway credential; a network has ten times as many. A correct one is not counted and always accepted.',
    ),
    failedProofsPerClient: limit(
      'OTESSE_LIMIT_FAILED_PROOFS_PER_CLIENT',
      60,
      60,
      'Requests with a wrong secret for one client, from everywhere together. The correct one is always accepted.',
    ),
    adminPerClient: limit(
      'OTESSE_LIMIT_ADMIN_PER_CLIENT',
      1200,
      60,
      'Requests from one client to the admin API, and of one address without a valid token.',
    ),
    connectPerClient: limit(
      'OTESSE_LIMIT_CONNECT_PER_CLIENT',
      6000,
      60,
      'Requests of one app to /connect/v1.',
    ),
    mailPerRecipient: limit(
      'OTESSE_LIMIT_MAIL_PER_RECIPIENT',
      3,
      3600,
      'Mails to one address that strangers can cause, such as by a forgotten password.',
    ),
    mailPerAddress: limit(
      'OTESSE_LIMIT_MAIL_PER_ADDRESS',
      20,
      3600,
      'Mails that one network address can cause in this way.',
    ),
    loginPerAccountAddress: limit(
      'OTESSE_LIMIT_LOGIN_PER_ACCOUNT_ADDRESS',
      10,
      900,
      'Failed sign-ins to one account from one address, or in one browser that signed it in before.',
    ),
    loginPerAddress: limit(
      'OTESSE_LIMIT_LOGIN_PER_ADDRESS',
      100,
      900,
      'Failed sign-ins from one address, whatever the account.',
    ),
    loginPerNetwork: limit(
      'OTESSE_LIMIT_LOGIN_PER_NETWORK',
      1000,
      900,
      'Failed sign-ins from one network, IPv4 /24 or IPv6 /48, whatever the account.',
    ),
    loginPerAccount: limit(
      'OTESSE_LIMIT_LOGIN_PER_ACCOUNT',
      100,
      900,
      'Failed sign-ins to one account from all addresses together; browsers and networks that signed it in before are not limited.',
    ),
    loginEverywhere: limit(
      'OTESSE_LIMIT_LOGIN_EVERYWHERE',
      3000,
      60,
      'Failed sign-ins from everywhere together, whatever the account; known browsers and networks are not limited.',
    ),
  },
  gateways: {
    trustedNetworks: setting('OTESSE_VERIFY_TRUSTED_NETWORKS', {
      parse: parse.networkList,
      default: [],
      doc: 'Addresses and networks of gateways that may call /oauth/verify without credentials, comma-separated. Anyone in them can test tokens.',
    }),
    introspectionCacheSeconds: setting('OTESSE_INTROSPECTION_CACHE_SECONDS', {
      parse: parse.wholeNumber(0, 60),
      default: 0,
      unit: 's',
      doc: 'How long each process may remember the status of an access token, for introspection and /oauth/verify; 0 asks the store each time. A revocation clears it in every process within milliseconds; one that is cut off from the log of revocations believes its memory for 3 s at the most.',
    }),
    clientCertificateHeader: setting('OTESSE_VERIFY_CLIENT_CERTIFICATE_HEADER', {
      parse: gateway.headerName,
      default: 'Client-Cert',
      doc: 'The header in which a proxy of OTESSE_TRUSTED_PROXIES passes on the client certificate that it verified: as in RFC 9440, as percent-encoded PEM, or its SHA-256 in hex. The proxy must overwrite what clients send.',
    }),
    clientCertificates: setting<ReadonlyMap<string, string>>('OTESSE_VERIFY_CLIENT_CERTIFICATES', {
      parse: gateway.clientCertificates,
      default: new Map(),
      shownDefault: '',
      doc: 'Certificates that authenticate a gateway to /oauth/verify, as client_id=SHA-256 in hex, comma-separated; the client is a resource server.',
    }),
    identityHeaders: setting('OTESSE_VERIFY_HEADERS', {
      parse: gateway.identityHeaders,
      default: gateway.DEFAULT_IDENTITY_HEADERS,
      shownDefault: `\`${gateway.showIdentityHeaders(gateway.DEFAULT_IDENTITY_HEADERS)}\``,
      doc: 'The names of the headers in which /oauth/verify reports the caller; those left out keep their default.',
    }),
    rules: setting<gateway.RuleSets>('OTESSE_VERIFY_RULES', {
      parse: gateway.ruleSets,
      default: {},
      shownDefault: '',
      doc: 'Named sets of rules by method and path for `rules=` of /oauth/verify, as JSON (see examples/gateways).',
    }),
    resourceMetadata: optional('OTESSE_VERIFY_RESOURCE_METADATA', {
      parse: parse.webUrl,
      doc: 'The URL of the metadata of your API (RFC 9728), sent to clients that /oauth/verify refuses.',
    }),
  },
  connections: {
    enabled: setting('OTESSE_CONNECTIONS', {
      parse: parse.flag,
      default: false,
      doc: 'Lets people and the company connect other systems, whose credentials this server keeps alive and gives to apps.',
    }),
  },
  outgoing: {
    callsAtOnce: setting('OTESSE_OUTGOING_CALLS_AT_ONCE', {
      parse: parse.wholeNumber(1, 10_000),
      default: 20,
      doc: 'Calls to the systems of one integration that each process makes at the same time; four times as many may wait for their turn.',
    }),
  },
  events: {
    retentionDays: setting('OTESSE_EVENT_RETENTION_DAYS', {
      parse: parse.wholeNumber(1, 3650),
      default: 90,
      unit: 'days',
      doc: 'How long events are kept. Daily totals are kept longer.',
    }),
    queueSize: setting('OTESSE_EVENT_QUEUE_SIZE', {
      parse: parse.wholeNumber(100, 10_000_000),
      default: 20_000,
      doc: 'Events that may wait to be written; more are dropped and counted.',
    }),
  },
  pages: {
    serviceName: setting('OTESSE_SERVICE_NAME', {
      parse: parse.plainText,
      default: 'Otesse',
      doc: 'The name of your product on the pages.',
    }),
    supportUrl: optional('OTESSE_SUPPORT_URL', {
      parse: parse.webUrl,
      doc: 'Where the pages send users who need help.',
    }),
  },
  mail: {
    smtpUrl: secret('OTESSE_SMTP_URL', {
      parse: parse.smtpUrl,
      doc: 'The mail server, as smtp://user:password@host:587 (upgraded by STARTTLS) or smtps://user:password@host:465. Without it no mail is sent; embedded mode writes mails to files in its data directory.',
    }),
    from: optional('OTESSE_MAIL_FROM', {
      parse: parse.mailbox,
      doc: 'Who mails are from, such as `Example <no-reply@example.com>`. Needed with OTESSE_SMTP_URL.',
    }),
    replyTo: optional('OTESSE_MAIL_REPLY_TO', {
      parse: parse.mailbox,
      doc: 'Where answers to mails go, if not to OTESSE_MAIL_FROM.',
    }),
    ca: secret('OTESSE_SMTP_CA', {
      parse: parse.pem('CERTIFICATE'),
      doc: 'The CA certificate that signed the mail server’s certificate, in PEM, if the system does not know it.',
    }),
  },
  unsafe: {
    smtpPlaintext: unsafe(
      'OTESSE_UNSAFE_SMTP_PLAINTEXT',
      'Allows mail without TLS where the mail server offers none: anyone on the network path can read links that open accounts.',
    ),
    embeddedInProduction: unsafe(
      'OTESSE_UNSAFE_EMBEDDED_IN_PRODUCTION',
      'Allows the embedded mode in production: one process, one disk, no second copy.',
    ),
    httpIssuer: unsafe(
      'OTESSE_UNSAFE_HTTP_ISSUER',
      'Allows an issuer without TLS: anyone on the network path can read codes, tokens and passwords.',
    ),
    evictingRedis: unsafe(
      'OTESSE_UNSAFE_EVICTING_REDIS',
      'Allows a Redis that evicts keys: it forgets authorizations and revocations at random.',
    ),
    privateDestinations: setting('OTESSE_UNSAFE_PRIVATE_DESTINATIONS', {
      parse: parse.networkList,
      default: [],
      shownDefault: '',
      doc: 'Addresses and networks of internal systems that calls to providers may reach, comma-separated, also by http and at any port: whoever writes the address of a provider can reach everything there.',
    }),
  },
} as const

type Table = typeof SETTINGS

/** The values of the table by section and key. */
export type SettingValues = {
  -readonly [Section in keyof Table]: {
    readonly [Key in keyof Table[Section]]: Table[Section][Key] extends ServerSetting<infer T>
      ? T
      : never
  }
}

/** Returns the rows in the order of the table. */
export function listSettings(): {
  section: string
  key: string
  setting: ServerSetting<unknown>
}[] {
  return Object.entries(SETTINGS).flatMap(([section, rows]) =>
    Object.entries(rows).map(([key, row]) => ({
      section,
      key,
      setting: row as ServerSetting<unknown>,
    })),
  )
}
