// What other programs export, as rows of our own import. Invariants: nothing is left out silently:
// a hash that cannot be taken arrives as it was, so that the import names it with its line; and
// memory holds one account, not the file.
import { FileRefused } from './text-file.ts'
import { type EntriesRead, type EntryPlace, jsonEntries } from './json-entries.ts'

/** One account as the import reads it. */
export interface SourceRow {
  email: string
  name?: string
  password_hash?: string
}

/** Where an export comes from. */
export const SOURCES = ['keycloak', 'auth0', 'firebase'] as const
export type Source = (typeof SOURCES)[number]

/** What became of an export; reasons are counted, since exports have thousands of accounts. */
export interface Counts {
  withPassword: number
  withoutPassword: number
  /** Accounts that are left out, by their reason. */
  left: Map<string, number>
  /** What is not taken along of accounts that are taken. */
  dropped: Map<string, number>
}

export const noCounts = (): Counts => ({
  withPassword: 0,
  withoutPassword: 0,
  left: new Map(),
  dropped: new Map(),
})

type Json = Record<string, unknown>
type Drop = (what: string) => void
type ConvertOne = (item: Json, drop: Drop) => SourceRow | string

/** How the export of a program is read. */
interface Format {
  place: EntryPlace
  /** What is said of a file that is none. */
  foreign: string
  /** Prepares the reading of one file. @throws {FileRefused} */
  open: (parameters: string | undefined) => {
    convertOne: ConvertOne
    /** Says, at the end of the file, whether it was an export at all. */
    wasExport: () => boolean
  }
}

/**
 * Converts an export, in its order; `undefined` stands for an account that is left out.
 *
 * @param parameters of Firebase: its `hash_config`, as text
 * @param counts is added to
 * @throws {FileRefused} where the text is no export of that program, also after rows were yielded
 */
export async function* convert(
  source: Source,
  pieces: AsyncIterable<string>,
  parameters: string | undefined,
  counts: Counts,
): AsyncGenerator<SourceRow | undefined> {
  const { place, foreign, open } = FORMATS[source]
  const { convertOne, wasExport } = open(parameters)
  const read: EntriesRead = { found: false, complete: true }
  for await (const text of jsonEntries(pieces, place, read)) {
    const item = parse(text)
    const found = isObject(item)
      ? convertOne(item, (what) => count(counts.dropped, what))
      : 'entries that are no objects'
    if (typeof found === 'string') {
      count(counts.left, found)
      yield undefined
    } else {
      if (found.password_hash === undefined) counts.withoutPassword += 1
      else counts.withPassword += 1
      yield found
    }
  }
  if (!read.found || !wasExport()) refuse(foreign)
  if (!read.complete) refuse('The file is cut off, or is not well-formed JSON. Export it again.')
}

/** One line for each account of an export, so that a problem is told by its number in it. */
export const lineOf = (row: SourceRow | undefined): string =>
  `${row === undefined ? '' : JSON.stringify(row)}\n`

const count = (counts: Map<string, number>, what: string): void =>
  void counts.set(what, (counts.get(what) ?? 0) + 1)

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const refuse = (sentence: string): never => {
  throw new FileRefused({ field: 'path', rule: 'export-form', sentence })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const row = (email: string, name: string, hash: string): SourceRow => ({
  email,
  ...(name !== '' && { name }),
  ...(hash !== '' && { password_hash: hash }),
})

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const UNVERIFIED = 'the mark that an e-mail address was not verified'
const SECOND_FACTORS = 'second factors'
const FEDERATED = 'the tie to another identity provider of accounts without a password'

// A realm as `kc.sh export` writes it, several of them, or one file of a realm's users.
function convertKeycloakUser(user: Json, drop: Drop): SourceRow | string {
  if (textOf(user['serviceAccountClientId']) !== '') return 'service accounts'
  if (user['enabled'] === false) return 'disabled accounts'
  const email = textOf(user['email']) || textOf(user['username'])
  if (!email.includes('@')) return 'accounts without an e-mail address'
  const name = [textOf(user['firstName']), textOf(user['lastName'])].filter(Boolean).join(' ')
  const credentials = listOf(user['credentials']).filter(isObject)
  const types = credentials.map((one) => textOf(one['type']))
  const actions = listOf(user['requiredActions'])
  const password = credentials.find((one) => one['type'] === 'password')
  // Keycloak would have let nobody go on with it.
  const mustChange = actions.includes('UPDATE_PASSWORD') || password?.['temporary'] === true
  if (password !== undefined && mustChange) drop('passwords that their owners had to change')
  if (types.includes('password-history')) drop('histories of old passwords')
  if (types.some((type) => /^(?:[th]?otp|webauthn|recovery)/.test(type))) drop(SECOND_FACTORS)
  if (actions.some((action) => action !== 'UPDATE_PASSWORD')) drop('required actions')
  if (user['emailVerified'] === false) drop(UNVERIFIED)
  const isFederated =
    listOf(user['federatedIdentities']).length > 0 || textOf(user['federationLink']) !== ''
  if (password === undefined && isFederated) drop(FEDERATED)
  return row(email, name, password === undefined || mustChange ? '' : keycloakHash(password))
}

/**
 * A credential of Keycloak in the PHC form; one that is not understood under its algorithm's name.
 */
function keycloakHash(credential: Json): string {
  // Before Keycloak 8 everything was in the credential itself.
  const isOld = 'hashedSaltedValue' in credential
  const data = isOld ? credential : parse(textOf(credential['credentialData']))
  const secret = isOld
    ? { salt: credential['salt'], value: credential['hashedSaltedValue'] }
    : parse(textOf(credential['secretData']))
  if (!isObject(data) || !isObject(secret)) return 'keycloak'
  const algorithm = textOf(data['algorithm'])
  const [salt, value] = [unpadded(textOf(secret['salt'])), unpadded(textOf(secret['value']))]
  const iterations = Number(data['hashIterations'])
  if (algorithm.startsWith('pbkdf2')) {
    // The oldest one has no digest in its name, and uses SHA-1.
    const name = algorithm === 'pbkdf2' ? 'pbkdf2-sha1' : algorithm
    return `$${name}$i=${iterations}$${salt}$${value}`
  }
  const more = isObject(data['additionalParameters']) ? data['additionalParameters'] : {}
  const first = (name: string): string => {
    const found = more[name]
    return Array.isArray(found) ? String(found[0]) : ''
  }
  if (algorithm === 'argon2')
    return `$argon2${first('type')}$v=${first('version') === '1.0' ? 16 : 19}$m=${first('memory')},t=${iterations},p=${first('parallelism')}$${salt}$${value}`
  return `keycloak ${algorithm}`
}

const unpadded = (base64: string): string => base64.replace(/=+$/, '')

const AUTH0_HASHES = ['passwordHash', 'password_hash', 'custom_password_hash']

// The bulk export of a database connection with password hashes, one JSON object per line, or a
// list in the form of Auth0's own import.
function convertAuth0User(user: Json, drop: Drop): SourceRow | string {
  const email = textOf(user['email'])
  if (email === '') return 'accounts without an e-mail address'
  if (user['blocked'] === true) return 'blocked accounts'
  const name = textOf(user['name'])
  const custom = user['custom_password_hash']
  const hash =
    textOf(user['passwordHash']) ||
    textOf(user['password_hash']) ||
    (isObject(custom) ? auth0Hash(custom) : '')
  if (user['email_verified'] === false) drop(UNVERIFIED)
  if (listOf(user['mfa_factors']).length > 0) drop(SECOND_FACTORS)
  if (hash === '' && listOf(user['identities']).length > 0) drop(FEDERATED)
  return row(email, name === email ? '' : name, hash)
}

/** A `custom_password_hash` in the PHC form, or what names its form where it cannot be taken. */
function auth0Hash(custom: Json): string {
  const algorithm = textOf(custom['algorithm'])
  const [hash, salt] = [custom['hash'], custom['salt']]
  if (!isObject(hash)) return `auth0 ${algorithm}`
  const value = textOf(hash['value'])
  const password = custom['password']
  const encoding = isObject(password) ? textOf(password['encoding']) : ''
  if (encoding !== '' && encoding !== 'utf8') return `auth0 ${algorithm} of ${encoding}`
  if (['argon2', 'bcrypt', 'pbkdf2'].includes(algorithm)) return value
  if (algorithm === 'scrypt') {
    const number = (name: string, usual: number): number => Number(custom[name] ?? usual)
    const ln = Math.log2(number('cost', 16_384))
    const [r, p] = [number('blockSize', 8), number('parallelization', 1)]
    const salted = isObject(salt) ? bytesOf(salt, 'utf8') : Buffer.alloc(0)
    const [saltText, derived] = [salted, bytesOf(hash, 'base64')].map((bytes) =>
      unpadded(bytes.toString('base64')),
    )
    return `$scrypt$ln=${ln},r=${r},p=${p}$${saltText}$${derived}`
  }
  // The import says of these that they protect nobody.
  return /^(?:md[45]|sha\d+|hmac|ldap)$/.test(algorithm) ? '{SHA}' : `auth0 ${algorithm}`
}

const ENCODINGS: readonly BufferEncoding[] = ['base64', 'hex', 'utf8']

function bytesOf(part: Json, usual: BufferEncoding): Buffer {
  const encoding = ENCODINGS.find((one) => one === part['encoding']) ?? usual
  return Buffer.from(textOf(part['value']), encoding)
}

// `firebase auth:export people.json --format=json`, and the project's hash parameters.
function convertFirebaseUser(user: Json, drop: Drop, prefix: string): SourceRow | string {
  const email = textOf(user['email'])
  if (email === '') return 'accounts without an e-mail address'
  if (user['disabled'] === true) return 'disabled accounts'
  const hash = standard(textOf(user['passwordHash']))
  const salt = standard(textOf(user['salt']))
  const name = textOf(user['displayName'])
  if (user['emailVerified'] === false) drop(UNVERIFIED)
  if (listOf(user['mfaInfo']).length > 0) drop(SECOND_FACTORS)
  if (hash === '' && listOf(user['providerUserInfo']).length > 0) drop(FEDERATED)
  return row(email, name, hash === '' ? '' : `${prefix}$${salt}$${hash}`)
}

function firebasePrefix(parameters: string | undefined): string {
  const value = (name: string): string =>
    new RegExp(`${name}["\\s:=]+([A-Za-z0-9+/=_-]+)`).exec(parameters ?? '')?.[1] ?? ''
  const [n, r] = [value('mem_cost'), value('rounds')]
  const [separator, signerKey] = [value('base64_salt_separator'), value('base64_signer_key')]
  if (n === '' || r === '' || signerKey === '')
    return refuse(
      'Firebase hashes need the parameters of the project: copy hash_config from the Firebase console (Authentication, Users, Password hash parameters) into a file for --hash-config, or into the field for it.',
    )
  return `$fbscrypt$v=1,n=${n},r=${r},p=1,ss=${standard(separator)},sk=${standard(signerKey)}`
}

/** Firebase exports base64 in the alphabet for URLs. */
const standard = (base64: string): string => base64.replaceAll('-', '+').replaceAll('_', '/')

const FORMATS: Readonly<Record<Source, Format>> = {
  keycloak: {
    place: 'users',
    foreign:
      'This is not a Keycloak realm with users. Export it with "kc.sh export --users realm_file".',
    open: () => ({ convertOne: convertKeycloakUser, wasExport: () => true }),
  },
  auth0: {
    place: 'top',
    foreign:
      'No account of this file has a passwordHash. Ask the support of Auth0 for the export with password hashes.',
    open: () => {
      let hasHash = false
      return {
        convertOne: (user, drop) => {
          hasHash ||= AUTH0_HASHES.some((name) => name in user)
          return convertAuth0User(user, drop)
        },
        wasExport: () => hasHash,
      }
    },
  },
  firebase: {
    place: 'users',
    foreign: 'This is not an export of Firebase. Write it with "firebase auth:export people.json".',
    open: (parameters) => {
      const prefix = firebasePrefix(parameters)
      return {
        convertOne: (user, drop) => convertFirebaseUser(user, drop, prefix),
        wasExport: () => true,
      }
    },
  },
}
