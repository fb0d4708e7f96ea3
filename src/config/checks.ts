// What must hold between settings. Each check is a small named function that returns its
// complaints; the list at the end is the order in which they are told. Errors forbid to start,
// warnings are logged at boot.
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { Secret } from '../shared/secret.ts'
import { listSettings, type Mode, type SettingValues } from './settings.ts'

/** What a check may look at. */
export interface Checked {
  mode: Mode
  values: SettingValues
  /** The variables that somebody set. */
  given: ReadonlySet<string>
}

type Check = (checked: Checked) => readonly string[]

const SECRET_CHARACTERS = 32
// 32 random hex digits have 14 different ones on average; below this it is a phrase that somebody
// repeated.
const SECRET_DIFFERENT_CHARACTERS = 8

const complain = (isWrong: boolean, sentence: string): string[] => (isWrong ? [sentence] : [])

const storesComeTogether: Check = ({ given }) => {
  const hasDatabase = given.has('OTESSE_DATABASE_URL')
  const hasRedis = given.has('OTESSE_REDIS_URL')
  const onlyOne = (set: string, missing: string): string =>
    `${set} is set and ${missing} is not: set both to run on Postgres and Redis, or neither for the embedded mode`
  return [
    ...complain(hasDatabase && !hasRedis, onlyOne('OTESSE_DATABASE_URL', 'OTESSE_REDIS_URL')),
    ...complain(hasRedis && !hasDatabase, onlyOne('OTESSE_REDIS_URL', 'OTESSE_DATABASE_URL')),
  ]
}

const embeddedIsNotProduction: Check = ({ mode, values }) =>
  complain(
    mode.embedded && mode.production && !values.unsafe.embeddedInProduction,
    'OTESSE_DATABASE_URL and OTESSE_REDIS_URL are not set, so that the server would run embedded, in one process on one disk: NODE_ENV=production needs both (OTESSE_UNSAFE_EMBEDDED_IN_PRODUCTION=true allows it all the same)',
  )

const issuerIsGiven: Check = ({ mode, values, given }) => {
  if (given.has('OTESSE_ISSUER')) return []
  return [
    ...complain(
      !mode.embedded || mode.production,
      'OTESSE_ISSUER is missing: write the public address of this server, such as https://auth.example.com',
    ),
    ...complain(
      mode.embedded && !mode.production && values.server.port === 0,
      'OTESSE_ISSUER is missing: with OTESSE_PORT=0 the address cannot be known before',
    ),
  ]
}

/** Http is for trying the server out on one machine. */
const issuerIsHttpsInProduction: Check = ({ mode, values }) => {
  const { issuer } = values.server
  if (issuer?.startsWith('http:') !== true || values.unsafe.httpIssuer) return []
  const isHere = isLoopback(new URL(issuer).hostname)
  return [
    ...complain(
      mode.production,
      'OTESSE_ISSUER begins with http://, which production does not allow: use https:// (OTESSE_UNSAFE_HTTP_ISSUER=true allows it all the same)',
    ),
    ...complain(
      !mode.production && !isHere,
      'OTESSE_ISSUER begins with http:// and is not this machine: use https:// (OTESSE_UNSAFE_HTTP_ISSUER=true allows it all the same)',
    ),
  ]
}

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' ||
  hostname.endsWith('.localhost') ||
  hostname === '[::1]' ||
  (isIP(hostname) === 4 && hostname.startsWith('127.'))

const secretsAreGiven: Check = ({ mode, values, given }) => {
  const { secretKeys, encryptionKeys } = values.secrets
  const missing = [
    ...(secretKeys === undefined ? ['OTESSE_SECRET_KEY'] : []),
    ...(encryptionKeys === undefined ? ['OTESSE_ENCRYPTION_KEY'] : []),
  ].filter((name) => !given.has(name))
  if (mode.embedded && missing.length !== 1) return []
  const why = mode.embedded
    ? 'set both secrets, or neither'
    : 'make one with: openssl rand -base64 48'
  return missing.map((name) => `${name} is missing: ${why}`)
}

const eachSecret = (
  { values }: Checked,
  look: (name: string, secrets: readonly string[]) => readonly string[],
): readonly string[] => {
  const reveal = (list: readonly Secret<string>[] | undefined): string[] =>
    (list ?? []).map((secret) => secret.reveal())
  return [
    ...look('OTESSE_SECRET_KEY', reveal(values.secrets.secretKeys)),
    ...look('OTESSE_ENCRYPTION_KEY', reveal(values.secrets.encryptionKeys)),
    ...look('OTESSE_CONNECTIONS_KEY', reveal(values.secrets.connectionsKeys)),
  ]
}

const secretsAreStrong: Check = (checked) =>
  eachSecret(checked, (name, secrets) =>
    secrets.flatMap((secret, at) => {
      const which = secrets.length === 1 ? name : `${name}, entry ${at + 1} of ${secrets.length}`
      const isShort = secret.length < SECRET_CHARACTERS
      return [
        ...complain(
          isShort,
          `${which} has ${secret.length} characters and needs at least ${SECRET_CHARACTERS}`,
        ),
        ...complain(
          !isShort && new Set(secret).size < SECRET_DIFFERENT_CHARACTERS,
          `${which} repeats a few characters and is easily guessed: make one with openssl rand -base64 48`,
        ),
      ]
    }),
  )

const secretsAreDifferent: Check = (checked) => {
  const seen = new Map<string, string>()
  return eachSecret(checked, (name, secrets) =>
    secrets.flatMap((secret) => {
      const before = seen.get(secret)
      seen.set(secret, name)
      return complain(
        before !== undefined,
        `${name} has a secret that is also in ${String(before)}: every secret has one use`,
      )
    }),
  )
}

const refreshOutlivesAccess: Check = ({ values: { tokens } }) =>
  complain(
    tokens.refreshTtlSeconds <= tokens.accessTtlSeconds,
    `OTESSE_REFRESH_TOKEN_TTL_SECONDS (${tokens.refreshTtlSeconds}) must be more than OTESSE_ACCESS_TOKEN_TTL_SECONDS (${tokens.accessTtlSeconds}), or nothing is left to refresh`,
  )

const grantOutlivesRefresh: Check = ({ values: { tokens } }) =>
  complain(
    tokens.grantMaxTtlSeconds < tokens.refreshTtlSeconds,
    `OTESSE_GRANT_MAX_TTL_SECONDS (${tokens.grantMaxTtlSeconds}) must not be less than OTESSE_REFRESH_TOKEN_TTL_SECONDS (${tokens.refreshTtlSeconds})`,
  )

const opsPortIsItsOwn: Check = ({ values: { ops, server } }) =>
  complain(
    ops.port !== 0 && ops.port === server.port,
    `OTESSE_OPS_PORT and OTESSE_PORT are both ${ops.port}: metrics must not be on the public port`,
  )

const proxiesAreNotEverybody: Check = ({ values: { server } }) =>
  server.trustedProxies
    .filter((network) => network.endsWith('/0'))
    .map(
      (network) =>
        `OTESSE_TRUSTED_PROXIES has ${network}, which is everybody: then each request could choose its own address`,
    )

const certificatesComeFromProxies: Check = ({ values: { gateways, server } }) =>
  complain(
    gateways.clientCertificates.size > 0 && server.trustedProxies.length === 0,
    'OTESSE_VERIFY_CLIENT_CERTIFICATES needs OTESSE_TRUSTED_PROXIES: only a proxy of yours is believed about certificates',
  )

const gatewaysAreNotEverybody: Check = ({ values: { gateways } }) =>
  gateways.trustedNetworks
    .filter((network) => network.endsWith('/0'))
    .map(
      (network) =>
        `OTESSE_VERIFY_TRUSTED_NETWORKS has ${network}, which is everybody: then anybody could test stolen tokens`,
    )

const destinationsAreNotEverything: Check = ({ values: { unsafe } }) =>
  unsafe.privateDestinations
    .filter((network) => network.endsWith('/0'))
    .map(
      (network) =>
        `OTESSE_UNSAFE_PRIVATE_DESTINATIONS has ${network}, which is everything: name the networks of the systems that you mean`,
    )

const redisTlsIsUsed: Check = ({ values, given }) => {
  const url = values.redis.url?.reveal()
  return ['OTESSE_REDIS_CA', 'OTESSE_REDIS_CERT', 'OTESSE_REDIS_KEY', 'OTESSE_REDIS_SERVER_NAME']
    .filter((name) => given.has(name) && url?.startsWith('rediss') !== true)
    .map(
      (name) =>
        `${name} is about TLS, and OTESSE_REDIS_URL has none: write rediss://, rediss-sentinel:// or rediss-cluster://`,
    )
}

const redisCertificateHasItsKey: Check = ({ values: { redis }, given }) => {
  const [certificate, key] = ['OTESSE_REDIS_CERT', 'OTESSE_REDIS_KEY']
  if (given.has(certificate) !== given.has(key))
    return [`${certificate} and ${key} belong together: set both, or neither`]
  if (redis.certificate === undefined || redis.key === undefined) return []
  try {
    createSecureContext({ cert: redis.certificate.reveal(), key: redis.key.reveal() })
    return []
  } catch {
    return [`${key} is not the private key of ${certificate}, or one of them cannot be read`]
  }
}

const mailHasASender: Check = ({ given }) =>
  complain(
    given.has('OTESSE_SMTP_URL') && !given.has('OTESSE_MAIL_FROM'),
    'OTESSE_MAIL_FROM is missing: with OTESSE_SMTP_URL, write the address that mails are from',
  )

const smtpIsUsed: Check = ({ given }) =>
  ['OTESSE_SMTP_CA', 'OTESSE_UNSAFE_SMTP_PLAINTEXT']
    .filter((name) => given.has(name) && !given.has('OTESSE_SMTP_URL'))
    .map((name) => `${name} has no effect without OTESSE_SMTP_URL`)

const ERRORS: readonly Check[] = [
  storesComeTogether,
  embeddedIsNotProduction,
  issuerIsGiven,
  issuerIsHttpsInProduction,
  secretsAreGiven,
  secretsAreStrong,
  secretsAreDifferent,
  refreshOutlivesAccess,
  grantOutlivesRefresh,
  opsPortIsItsOwn,
  proxiesAreNotEverybody,
  gatewaysAreNotEverybody,
  destinationsAreNotEverything,
  certificatesComeFromProxies,
  redisTlsIsUsed,
  redisCertificateHasItsKey,
  mailHasASender,
  smtpIsUsed,
]

const unsafeChoicesAreTold: Check = ({ values }) =>
  listSettings()
    .filter(({ section, key }) => section === 'unsafe' && isOn((values.unsafe as Unsafe)[key]))
    .map(({ setting }) => `${setting.env} is on. ${setting.doc}`)

type Unsafe = Readonly<Record<string, boolean | readonly string[]>>
const isOn = (value: boolean | readonly string[] = false): boolean =>
  typeof value === 'boolean' ? value : value.length > 0

const signInIsLimited: Check = ({ values: { limits } }) =>
  complain(
    limits.loginPerAccountAddress.points === 0 && limits.loginPerAccount.points === 0,
    'OTESSE_LIMIT_LOGIN_PER_ACCOUNT_ADDRESS and OTESSE_LIMIT_LOGIN_PER_ACCOUNT are off: passwords can be guessed without end',
  )

const dataDirectoryIsUsed: Check = ({ mode, given }) =>
  complain(
    !mode.embedded && given.has('OTESSE_DATA_DIR'),
    'OTESSE_DATA_DIR has no effect: everything is in Postgres and Redis',
  )

const WARNINGS: readonly Check[] = [unsafeChoicesAreTold, signInIsLimited, dataDirectoryIsUsed]

/** Runs every check and returns all complaints. */
export function crossCheck(checked: Checked): { errors: string[]; warnings: string[] } {
  return {
    errors: ERRORS.flatMap((check) => check(checked)),
    warnings: WARNINGS.flatMap((check) => check(checked)),
  }
}
