// What other programs export, as rows of our own import. Invariant: nothing is left out silently: a
// hash that cannot be taken arrives as it was, so that the import names it with its line.
import type { Problem } from '../model/problem.ts'
import { inputRefusal } from './session.ts'

/** One account as the import reads it. */
export interface SourceRow {
  email: string
  name?: string
  password_hash?: string
}

/** Where an export comes from. */
export type Source = 'keycloak' | 'auth0' | 'firebase'
export const SOURCES: readonly Source[] = ['keycloak', 'auth0', 'firebase']

/** What was left out, and why; counted, since exports have thousands. */
export interface Converted {
  rows: SourceRow[]
  left: Map<string, number>
}

type Json = Record<string, unknown>

/**
 * Converts an export.
 *
 * @param parameters of Firebase: its `hash_config`, as text
 * @throws {Refusal} where the text is no export of that program
 */
export function convert(source: Source, text: string, parameters: string | undefined): Converted {
  if (source === 'keycloak') return convertKeycloak(text)
  return source === 'auth0' ? convertAuth0(text) : convertFirebase(text, parameters)
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const refuse = (sentence: string): never => {
  const problem: Problem = { field: 'path', rule: 'export-form', sentence }
  throw inputRefusal([problem])
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function collect(items: unknown[], convertOne: (item: Json) => SourceRow | string): Converted {
  const converted: Converted = { rows: [], left: new Map() }
  for (const item of items) {
    const found = isObject(item) ? convertOne(item) : 'not an object'
    if (typeof found === 'string') converted.left.set(found, (converted.left.get(found) ?? 0) + 1)
    else converted.rows.push(found)
  }
  return converted
}

const row = (email: string, name: string, hash: string): SourceRow => ({
  email,
  ...(name !== '' && { name }),
  ...(hash !== '' && { password_hash: hash }),
})

// A realm as `kc.sh export` writes it, or one file of its users.
function convertKeycloak(text: string): Converted {
  const realm = parse(text)
  const users = isObject(realm) ? realm['users'] : undefined
  if (!Array.isArray(users))
    return refuse(
      'This is no realm of Keycloak with users: export it with "kc.sh export --users realm_file".',
    )
  return collect(users, (user) => {
    if (textOf(user['serviceAccountClientId']) !== '') return 'service accounts'
    if (user['enabled'] === false) return 'disabled accounts'
    const email = textOf(user['email']) || textOf(user['username'])
    if (!email.includes('@')) return 'accounts without an e-mail address'
    const name = [textOf(user['firstName']), textOf(user['lastName'])].filter(Boolean).join(' ')
    const credentials = Array.isArray(user['credentials']) ? user['credentials'] : []
    const password = credentials.find((one) => isObject(one) && one['type'] === 'password') as
      Json | undefined
    return row(email, name, password === undefined ? '' : keycloakHash(password))
  })
}

/**
 * A credential of Keycloak in the PHC form; one that is not understood under its algorithm's name.
 */
function keycloakHash(credential: Json): string {
  const data = parse(textOf(credential['credentialData']))
  const secret = parse(textOf(credential['secretData']))
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
    return `$argon2${first('type')}$v=19$m=${first('memory')},t=${iterations},p=${first('parallelism')}$${salt}$${value}`
  return `keycloak ${algorithm}`
}

const unpadded = (base64: string): string => base64.replace(/=+$/, '')

// The bulk export of a database connection with password hashes: one JSON object per line.
function convertAuth0(text: string): Converted {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const users = lines.map(parse)
  const isExport = users.some((user) => isObject(user) && 'passwordHash' in user)
  if (!isExport)
    return refuse(
      'No line of this file has a passwordHash: ask the support of Auth0 for the export with password hashes.',
    )
  return collect(users, (user) => {
    const email = textOf(user['email'])
    if (email === '') return 'accounts without an e-mail address'
    if (user['blocked'] === true) return 'blocked accounts'
    const name = textOf(user['name'])
    return row(email, name === email ? '' : name, textOf(user['passwordHash']))
  })
}

// `firebase auth:export people.json --format=json`, and the project's hash parameters.
function convertFirebase(text: string, parameters: string | undefined): Converted {
  const file = parse(text)
  const users = isObject(file) ? file['users'] : undefined
  if (!Array.isArray(users))
    return refuse(
      'This is no export of Firebase: write it with "firebase auth:export people.json".',
    )
  const prefix = firebasePrefix(parameters)
  return collect(users, (user) => {
    const email = textOf(user['email'])
    if (email === '') return 'accounts without an e-mail address'
    if (user['disabled'] === true) return 'disabled accounts'
    const hash = standard(textOf(user['passwordHash']))
    const salt = standard(textOf(user['salt']))
    const name = textOf(user['displayName'])
    return row(email, name, hash === '' ? '' : `${prefix}$${salt}$${hash}`)
  })
}

function firebasePrefix(parameters: string | undefined): string {
  const value = (name: string): string =>
    new RegExp(`${name}["\\s:=]+([A-Za-z0-9+/=_-]+)`).exec(parameters ?? '')?.[1] ?? ''
  const [n, r] = [value('mem_cost'), value('rounds')]
  const [separator, signerKey] = [value('base64_salt_separator'), value('base64_signer_key')]
  if (n === '' || r === '' || signerKey === '')
    return refuse(
      'Firebase hashes need the parameters of the project: copy hash_config from the console (Authentication, Users, Password hash parameters) into a file, and name it with --hash-config.',
    )
  return `$fbscrypt$v=1,n=${n},r=${r},p=1,ss=${standard(separator)},sk=${standard(signerKey)}`
}

/** Firebase exports base64 in the alphabet for URLs. */
const standard = (base64: string): string => base64.replaceAll('-', '+').replaceAll('_', '/')
