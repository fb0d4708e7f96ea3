// Turns the text of an environment variable into a typed value. A parser throws an Error whose
// sentence says what to write; it never repeats the text, which may be a secret. Called by the
// table in settings.ts.
import { isIP } from 'node:net'
import { Secret } from '../shared/secret.ts'

/** So many points within so many seconds; `points: 0` switches the limit off. */
export interface Limit {
  points: number
  seconds: number
}

const MAX_LIMIT_POINTS = 1_000_000_000
const MAX_LIMIT_SECONDS = 86_400

/** Returns a parser of whole numbers within bounds, both included. */
export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= least && value <= most))
      throw new Error(`write a whole number from ${least} to ${most}`)
    return value
  }

/** Parses a TCP port; 0 has a meaning of its own in each setting. */
export function port(text: string): number {
  if (text.startsWith('tcp://'))
    throw new Error(
      'Kubernetes wrote this for a Service of that name: set enableServiceLinks: false in the pod',
    )
  return wholeNumber(0, 65_535)(text)
}

/** Parses `true` or `false`. */
export function flag(text: string): boolean {
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw new Error('write true or false')
}

/** Takes the text as it is. */
export const plainText = (text: string): string => text

/** Parses the beginning of Redis keys; braces would move the hash tag that keeps a token family in one slot. */
export function keyPrefix(text: string): string {
  if (!/^[\w.:-]{1,60}$/.test(text))
    throw new Error('write up to 60 letters, digits, dots, dashes, underscores and colons')
  return text
}

/** Returns a parser that takes one of the words. */
export const oneOf =
  <Word extends string>(...words: readonly Word[]) =>
  (text: string): Word => {
    const found = words.find((word) => word === text)
    if (found === undefined) throw new Error(`write one of ${words.join(', ')}`)
    return found
  }

/** Parses an http(s) URL. */
export function webUrl(text: string): string {
  const url = URL.parse(text)
  if (url === null || !isWeb(url)) throw new Error('write a URL that begins with https://')
  return url.href
}

/** Parses the issuer: an origin, without the path, query, fragment and user that would make two spellings of one server. */
export function issuer(text: string): string {
  const url = URL.parse(text)
  if (url === null || !isWeb(url) || url.href !== `${url.origin}/`)
    throw new Error(
      'write the public address without a path, such as https://auth.example.com (it is in every token answer, so it has one spelling)',
    )
  return url.origin
}

const isWeb = (url: URL): boolean => url.protocol === 'https:' || url.protocol === 'http:'

/** Parses the outer shape of a Postgres URL; storage/ reads the rest of it. */
export function postgresUrl(text: string): Secret<string> {
  if (!/^postgres(ql)?:\/\/[^\s]+$/.test(text))
    throw new Error('write postgres://user:password@host:port/database')
  return new Secret(text)
}

/** Parses the outer shape of a Redis URL; storage/ reads the rest of it. */
export function redisUrl(text: string): Secret<string> {
  if (!/^rediss?(-sentinel|-cluster)?:\/\/[^/\s]+(\/[^\s]*)?$/.test(text))
    throw new Error(
      'write redis://host:port, redis-sentinel://host:port,host:port/master or redis-cluster://host:port,host:port',
    )
  if (/^rediss?-sentinel:/.test(text) && !/^[^/]*\/\/[^/]+\/[^/?]+/.test(text))
    throw new Error('end a Sentinel URL in the name of the master: redis-sentinel://host:port/main')
  return new Secret(text)
}

/** Parses the address of a mail server. */
export function smtpUrl(text: string): Secret<string> {
  const url = URL.parse(text)
  const isWhole = url !== null && /^smtps?:$/.test(url.protocol) && url.hostname !== ''
  if (!isWhole || !/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    throw new Error('write smtp://user:password@host:587 or smtps://user:password@host:465')
  try {
    decodeURIComponent(url.username + url.password)
  } catch {
    throw new Error('write % in the user or the password as %25')
  }
  return new Secret(text)
}

/** Parses a sender: an address, alone or after a name. */
export function mailbox(text: string): string {
  if (!/^(?:[^<>",;\r\n]{1,100} <[^\s<>@,;]+@[^\s<>@,;]+>|[^\s<>@,;]+@[^\s<>@,;]+)$/.test(text))
    throw new Error(
      'write an address such as no-reply@example.com, or Example <no-reply@example.com>',
    )
  return text
}

/** Returns a parser of PEM. @param label what stands in its lines of BEGIN, or ends there */
export const pem =
  (label: 'CERTIFICATE' | 'PRIVATE KEY') =>
  (text: string): Secret<string> => {
    // Environment files often have their line ends written as \n.
    const lines = text.replaceAll('\\n', '\n')
    if (!new RegExp(`^-----BEGIN ([A-Z0-9]+ )*${label}-----\\r?\\n`, 'm').test(lines))
      throw new Error(`write PEM, which has a line of -----BEGIN ${label}-----`)
    return new Secret(lines)
  }

/** Parses the name of a host as certificates carry it. */
export function hostName(text: string): string {
  if (!/^[A-Za-z0-9_]([\w.-]{0,252}\w)?$/.test(text))
    throw new Error('write one name, such as redis.internal, without scheme and port')
  return text
}

/** Parses a comma-separated list of secrets, current one first. How strong they are is judged in checks.ts. */
export function secretList(text: string): readonly Secret<string>[] {
  const items = text.split(',').map((item) => item.trim())
  if (items.includes('')) throw new Error('there is an empty entry between the commas')
  return items.map((item) => new Secret(item))
}

/** Parses a comma-separated list of addresses and networks in CIDR form. */
export function networkList(text: string): readonly string[] {
  const items = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
  if (!items.every(isNetwork))
    throw new Error('write addresses or networks such as 10.0.0.7,192.168.0.0/16,fd00::/8')
  return items
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

/** Parses `points/seconds`, such as `600/60`, or `0` for no limit. */
export function limit(text: string): Limit {
  if (text === '0') return { points: 0, seconds: 1 }
  const [, points, seconds] = /^(\d{1,10})\/(\d{1,5})$/.exec(text) ?? []
  const parsed = { points: Number(points), seconds: Number(seconds) }
  if (
    !(parsed.points >= 1 && parsed.points <= MAX_LIMIT_POINTS) ||
    !(parsed.seconds >= 1 && parsed.seconds <= MAX_LIMIT_SECONDS)
  )
    throw new Error(
      `write points/seconds, such as 600/60 (at most ${MAX_LIMIT_SECONDS} seconds), or 0 for no limit`,
    )
  return parsed
}
