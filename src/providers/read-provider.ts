// Reads a provider from data. Invariant: all problems come back at once, each with the path of its
// member, and what is returned without problems may be trusted by everything behind it.
import type { Problem } from '../model/problem.ts'
import { addressProblem, patternProblem } from './address-template.ts'
import type { Provider, ProviderConfig, ProviderSource } from './provider.ts'

type Members = Readonly<Record<string, unknown>>
/** Says what is wrong with a value. */
type Check = (value: unknown, all: Members) => string | undefined
type Shape = { readonly [member: string]: Rule }
interface Rule {
  readonly isRequired?: boolean
  readonly check?: Check
  readonly members?: Shape
  /** For lists: what an element is. */
  readonly each?: Rule
}

/** What was read, and what is wrong with it. */
export type ProviderReading =
  | { readonly provider: Provider; readonly problems: readonly [] }
  | { readonly provider?: undefined; readonly problems: readonly Problem[] }

const text =
  (pattern: RegExp, sentence: string): Check =>
  (value) =>
    typeof value === 'string' && pattern.test(value) ? undefined : sentence
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && values.includes(value)
      ? undefined
      : `It must be one of ${values.map((known) => JSON.stringify(known)).join(', ')}.`
const shortText = text(/^[^\p{Cc}]{1,200}$/u, 'It must be text of 1 to 200 characters in one line.')
const yesOrNo: Check = (value) =>
  typeof value === 'boolean' ? undefined : 'It must be true or false.'
const wholeNumber: Check = (value) =>
  Number.isSafeInteger(value) && Number(value) > 0
    ? undefined
    : 'It must be a whole number above 0.'
const address: Check = (value, all) =>
  typeof value === 'string' ? addressProblem(value, configOf(all)) : 'It must be an address.'
const plainAddress: Check = (value) =>
  typeof value === 'string' ? addressProblem(value, []) : 'It must be an address.'
const pattern: Check = (value) =>
  typeof value === 'string' ? patternProblem(value) : 'It must be text.'
const name = text(/^[a-z][a-z0-9_]{0,40}$/, 'It must be lower-case letters, digits and _.')

const path = text(
  /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,5}$/,
  'It must be a name, or names with dots between, such as team.id.',
)

const OWN_PARAMETERS =
  /^(client_(id|secret|assertion.*)|redirect_uri|state|scope|response_type|grant_type|code(_.*)?|refresh_token)$/
const parameters: Check = (value) => {
  if (!isMembers(value)) return 'It must be names with values.'
  const own = Object.keys(value).find((parameter) => OWN_PARAMETERS.test(parameter))
  if (own !== undefined) return `${own} is set by the server and cannot be written here.`
  const isText = Object.values(value).every((each) => typeof each === 'string' && each.length < 500)
  return isText ? undefined : 'Each value must be text; put numbers and true or false in quotes.'
}

// A callback is compared with them, so that one of another tenant is none.
const callbackValues: Check = (value, all) => {
  if (!isMembers(value)) return 'It must be names with values.'
  const known = configOf(all).map(({ name: placeholder }) => `{${placeholder}}`)
  const isKnown = (text: unknown): boolean =>
    typeof text === 'string' &&
    text.length < 300 &&
    (text.match(/\{[^}]*\}/g) ?? []).every((placeholder) => known.includes(placeholder))
  return Object.values(value).every(isKnown)
    ? undefined
    : 'Each value must be text whose placeholders are described in config.'
}

const FORBIDDEN_HEADER =
  /^(host|cookie|connection|content-length|transfer-encoding|te|trailer|upgrade|keep-alive|proxy-.*)$/i
const header: Check = (value) => {
  if (typeof value !== 'string' || !/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,80}$/.test(value))
    return 'It must be the name of a header.'
  return FORBIDDEN_HEADER.test(value) ? 'A credential cannot be sent in this header.' : undefined
}

const required = (check: Check): Rule => ({ isRequired: true, check })

const AUTH: Shape = {
  authorize_url: required(address),
  token_url: required(address),
  refresh_url: { check: address },
  revoke_url: { check: address },
  revoke: { check: oneOf('rfc7009', 'bearer') },
  issuer: { check: plainAddress },
  callback_signature: {
    check: text(/^[A-Za-z0-9_-]{1,60}$/, 'It must be the name of a parameter.'),
  },
  callback_values: { check: callbackValues },
  pkce: { check: oneOf('required', 'yes', 'ignored', 'no') },
  scope_separator: { check: oneOf(' ', ',', '+') },
  client_auth: { check: oneOf('basic', 'post', 'both') },
  body: { check: oneOf('form', 'json') },
  answer: { check: oneOf('json', 'form') },
  errors: { check: oneOf('status', 'in_answer') },
  answer_path: { check: path },
  extra_authorize: { check: parameters },
  extra_token: { check: parameters },
}
const LIFE: Shape = {
  access_seconds: { check: wholeNumber },
  refresh_days: { check: wholeNumber },
  refresh_idle_days: { check: wholeNumber },
  rotates: { check: oneOf('yes', 'no', 'optional') },
  expiry: { check: oneOf('expires_in', 'expires_in_ms', 'expires_at', 'none') },
}
const CONFIG: Shape = {
  name: required(name),
  label: required(shortText),
  pattern: { check: pattern },
  from: { check: oneOf('person', 'callback', 'answer') },
  parameter: { check: path },
  choices: {
    each: required(text(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'It must be part of a host name.')),
  },
}
const WEBHOOK: Shape = {
  header: required(header),
  layout: { check: oneOf('value', 'members', 'list', 'secret') },
  prefix: { check: text(/^[!-~]{0,20}$/, 'It must be a short word, or empty.') },
  encoding: { check: oneOf('hex', 'base64') },
  hash: { check: oneOf('sha256', 'sha1', 'sha512') },
  signed: {
    check: text(
      /^(?=.*\{body\})([ -z|}~]|\{(body|timestamp|id)\}){1,80}$/,
      'It must be text with {body} in it, and perhaps {timestamp} and {id}.',
    ),
  },
  timestamp_header: { check: header },
  timestamp_unit: { check: oneOf('s', 'ms') },
  id_header: { check: header },
  secret_form: { check: oneOf('text', 'base64') },
}
const SOURCE: Shape = {
  page: required(plainAddress),
  read: required(text(/^\d{4}-\d\d-\d\d$/, 'It must be a day such as 2026-11-28.')),
  facts: { isRequired: true, each: required(shortText) },
}
const PROVIDER: Shape = {
  key: required(text(/^[a-z][a-z0-9-]{0,62}$/, 'It must be lower-case letters, digits and -.')),
  name: required(shortText),
  kind: required(oneOf('oauth2', 'keys')),
  status: { check: oneOf('confirmed', 'unconfirmed', 'custom') },
  docs_url: { check: plainAddress },
  auth: { members: AUTH },
  life: { members: LIFE },
  config: { each: { members: CONFIG } },
  api: {
    members: {
      base_url: { check: address },
      header: { check: header },
      prefix: { check: text(/^[!-~]{0,40}$/, 'It must be one word, or empty.') },
      query: { check: text(/^[A-Za-z0-9_.-]{1,60}$/, 'It must be the name of a parameter.') },
      basic: {
        check: text(
          /^[^:\s]{0,60}:[^:\s]{0,60}$/,
          'It must be user:password, such as {sid}:{token}.',
        ),
      },
    },
  },
  identity: {
    members: { url: { check: address }, id: required(path), label: { check: path } },
  },
  webhook: { members: WEBHOOK },
  check: { members: { method: required(oneOf('GET', 'POST')), url: required(address) } },
  fields: {
    each: {
      members: {
        name: required(name),
        label: required(shortText),
        secret: required(yesOrNo),
        hint: { check: shortText },
      },
    },
  },
  sources: { each: { members: SOURCE } },
}

/** Reads a provider from the data of a file or a form. */
export function readProvider(data: unknown): ProviderReading {
  if (!isMembers(data))
    return { problems: [problem('provider', 'It must be members with values, such as key: crm.')] }
  const shape = problemsOf({ members: PROVIDER }, data, '', data)
  if (shape.length > 0) return { problems: shape }
  const provider = data as unknown as Provider
  const problems = [
    ...kindProblems(provider),
    ...configProblems(provider),
    ...webhookProblems(provider),
    ...gaps(provider),
  ]
  return problems.length > 0 ? { problems } : { provider, problems: [] }
}

function problemsOf(rule: Rule, value: unknown, path: string, all: Members): Problem[] {
  if (rule.members !== undefined) return memberProblems(rule.members, value, path, all)
  if (rule.each !== undefined) {
    const { each } = rule
    if (!Array.isArray(value)) return [problem(path, 'It must be a list.')]
    return value.flatMap((element, at) => problemsOf(each, element, `${path}[${at}]`, all))
  }
  const sentence = rule.check?.(value, all)
  return sentence === undefined ? [] : [problem(path, sentence)]
}

function memberProblems(shape: Shape, value: unknown, path: string, all: Members): Problem[] {
  if (!isMembers(value)) return [problem(path, 'It must be members with values.')]
  const at = (member: string) => (path === '' ? member : `${path}.${member}`)
  const unknown = Object.keys(value)
    .filter((member) => !Object.hasOwn(shape, member))
    .map((member) => problem(at(member), 'A provider has no such member.'))
  const known = Object.entries(shape).flatMap(([member, rule]) => {
    if (Object.hasOwn(value, member)) return problemsOf(rule, value[member], at(member), all)
    return rule.isRequired === true ? [problem(at(member), 'It is missing.')] : []
  })
  return [...unknown, ...known]
}

function kindProblems({ kind, auth, api, fields = [] }: Provider): Problem[] {
  const named = [...(api?.basic ?? '').matchAll(/\{([^}]*)\}/g)].map(([, field]) => field)
  if (named.some((field) => !fields.some((each) => each.name === field)))
    return [problem('api.basic', 'It names a field that is not described in fields.')]
  if (kind === 'oauth2' && auth === undefined)
    return [problem('auth', 'A provider of kind oauth2 needs its addresses here.')]
  if (kind === 'keys' && !fields.some((field) => field.secret))
    return [problem('fields', 'A provider of kind keys needs a field that is secret.')]
  return []
}

function configProblems({ config = [] }: Provider): Problem[] {
  return config.flatMap(({ pattern: accepts, choices = [] }, at) =>
    (accepts === undefined) === (choices.length === 0)
      ? [problem(`config[${at}]`, 'It needs either a pattern or choices.')]
      : [],
  )
}

// What is signed must be there to be read.
function webhookProblems({ webhook }: Provider): Problem[] {
  if (webhook === undefined) return []
  const { layout = 'value', encoding, signed = '', timestamp_header, id_header } = webhook
  const needs = (isMissing: boolean, member: string): Problem[] =>
    isMissing ? [problem(`webhook.${member}`, 'It is missing.')] : []
  return [
    ...needs(layout !== 'secret' && encoding === undefined, 'encoding'),
    ...needs(
      layout !== 'members' && signed.includes('{timestamp}') && timestamp_header === undefined,
      'timestamp_header',
    ),
    ...needs(signed.includes('{id}') && id_header === undefined, 'id_header'),
  ]
}

// A confirmed provider has a page for each fact, and no page stands for a fact that is not there.
function gaps(provider: Provider): Problem[] {
  const facts = factsOf(provider)
  const sources = provider.sources ?? []
  const listed = sources.flatMap((source) => source.facts)
  const vain = listed
    .filter((path) => !facts.some((fact) => isWithin(fact, path)))
    .map((path) => problem('sources', `There is no fact ${path}.`))
  if (provider.status !== 'confirmed') return vain
  const bare = unsourced(facts, sources).map((fact) =>
    problem(fact, 'It is confirmed, but no source lists it.'),
  )
  return [...vain, ...bare]
}

const unsourced = (facts: readonly string[], sources: readonly ProviderSource[]): string[] =>
  facts.filter(
    (fact) => !sources.some((source) => source.facts.some((path) => isWithin(fact, path))),
  )

const isWithin = (fact: string, path: string): boolean =>
  fact === path || fact.startsWith(`${path}.`)

/** The paths of what is claimed about a provider. */
function factsOf({ auth, life, api, identity, check, webhook }: Provider): string[] {
  const groups = Object.entries({ auth, life, api, identity, check, webhook })
  return groups.flatMap(([group, members]) =>
    Object.keys(members ?? {}).map((member) => `${group}.${member}`),
  )
}

const configOf = (all: Members): ProviderConfig[] =>
  Array.isArray(all['config'])
    ? all['config'].filter(isMembers).map((value) => value as unknown as ProviderConfig)
    : []

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const problem = (field: string, sentence: string): Problem => ({
  field,
  rule: 'provider',
  sentence,
})
