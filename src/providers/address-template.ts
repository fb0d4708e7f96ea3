// Addresses with placeholders: `https://{shop}.myshopify.com/admin`. Invariant: whatever a person
// types for a placeholder, the request goes to a host of the provider.
import type { ProviderConfig } from './provider.ts'

const PLACEHOLDER = /\{([a-z][a-z0-9_]*)\}/g
const SAFE_PATTERN = /^\^\[[A-Za-z0-9_-]+\]\{\d{1,2},\d{1,3}\}\$$/
// Reached only where OTESSE_UNSAFE_PRIVATE_DESTINATIONS has it: for trying things out.
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/
// What would end a host label or a path segment, or begin another part of the address.
const STRANGE = ['.', '/', '\\', '@', ':', '#', '?', '%', '[', ']', '&', ' ', '\t', '\n', '^', '`']

/** Says what is wrong with a pattern. @returns a sentence, or `undefined` */
export function patternProblem(pattern: string): string | undefined {
  if (!SAFE_PATTERN.test(pattern))
    return 'Write one class of characters and its length, such as ^[a-z0-9-]{1,63}$.'
  let accepts: RegExp
  try {
    accepts = new RegExp(pattern)
  } catch {
    return 'This is not a regular expression.'
  }
  const strange = STRANGE.find((sign) => [1, 2, 3, 8].some((n) => accepts.test(sign.repeat(n))))
  return strange === undefined
    ? undefined
    : `It accepts ${JSON.stringify(strange)}, which would change the address.`
}

/** Values for placeholders, by name. */
export type ConfigValues = Readonly<Record<string, string>>

/** A placeholder of an address has no value, or one that it does not accept. */
export class ConfigValueMissing extends Error {
  readonly member: string
  constructor(member: string) {
    super(`There is no valid value for the placeholder ${member}.`)
    this.member = member
  }
}

/** Says whether a placeholder accepts a value. */
export function acceptsConfigValue({ pattern, choices }: ProviderConfig, value: string): boolean {
  if (choices !== undefined) return choices.includes(value)
  return pattern !== undefined && new RegExp(pattern).test(value)
}

/**
 * Puts values into the placeholders of an address.
 *
 * @throws {ConfigValueMissing} for the first one without a valid value
 */
export function fillAddress(
  address: string,
  config: readonly ProviderConfig[],
  values: ConfigValues,
): string {
  return address.replace(PLACEHOLDER, (_, name: string) => {
    const described = config.find((each) => each.name === name)
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (described === undefined || value === undefined || !acceptsConfigValue(described, value))
      throw new ConfigValueMissing(name)
    return value
  })
}

/** Says what is wrong with an address. @returns a sentence, or `undefined` */
export function addressProblem(
  address: string,
  config: readonly ProviderConfig[],
): string | undefined {
  const names = [...address.matchAll(PLACEHOLDER)].map(([, name = '']) => name)
  const unknown = names.find((name) => !config.some((value) => value.name === name))
  if (unknown !== undefined) return `The placeholder {${unknown}} is not described in config.`
  const filled = address.replace(PLACEHOLDER, 'x')
  if (/[{}\s\\]/.test(filled)) return 'It has a brace, a space or a backslash in it.'
  let url: URL
  try {
    url = new URL(filled)
  } catch {
    return 'It is not an address. Begin with https://.'
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname)))
    return 'It must begin with https://. Only an address of this machine may begin with http://.'
  if (url.username !== '' || url.password !== '') return 'It must not have a user name in it.'
  if (filled.includes('#')) return 'It must not have a fragment (#).'
  return placeProblem(address, config)
}

// A placeholder is a whole label of the host or a whole segment of the path. In the host, two
// labels that are written out come after it, or its values are listed: else people would choose the
// host.
function placeProblem(address: string, config: readonly ProviderConfig[]): string | undefined {
  const [, host = '', rest = ''] = /^https?:\/\/([^/?]*)(.*)$/.exec(address) ?? []
  const [path = '', query = ''] = rest.split('?')
  if (query.includes('{')) return 'A placeholder cannot be in the query.'
  const partial = [...host.split('.'), ...path.split('/')].find(
    (part) => part.includes('{') && !/^\{[a-z0-9_]+\}$/.test(part),
  )
  if (partial !== undefined)
    return `A placeholder must be a whole part of the address; "${partial}" is not.`
  const labels = host.split('.')
  const open = labels.findLastIndex((label) => isOpen(label, config))
  return open >= 0 && labels.length - open <= 2
    ? 'Two parts of the host must be written out after a placeholder, as in {shop}.example.com.'
    : undefined
}

const isOpen = (label: string, config: readonly ProviderConfig[]): boolean =>
  label.startsWith('{') &&
  config.find(({ name }) => name === label.slice(1, -1))?.choices === undefined
