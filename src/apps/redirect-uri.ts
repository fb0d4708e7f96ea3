// Which redirect URIs an app may register, as one ordered table of rules, and which presented URI
// matches. A code or an error goes to whatever matches, so the rules take nothing that two parsers
// could read in two ways: each URI is taken apart by the grammar of RFC 3986 and must come out of
// the WHATWG parser, which browsers use, as it went in. Called by client-metadata.ts and, for
// matching, by the authorization endpoint.
import { domainToUnicode } from 'node:url'
import type { AppType } from '../model/app.ts'

/** Also the limit of each address in the metadata. */
const MAX_URI_LENGTH = 2000

interface Parts {
  text: string
  scheme: string
  /** Absent where no `//` follows the scheme. */
  authority: string | undefined
  host: string
  /** What follows the colon; empty where a colon has nothing after it, absent without one. */
  port: string | undefined
  path: string
  query: string | undefined
  fragment: string | undefined
}

// RFC 3986 appendix B, with the scheme held to its grammar.
const ANATOMY = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s
const AUTHORITY = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s

function takeApart(text: string): Parts | undefined {
  const found = ANATOMY.exec(text)
  if (found === null) return undefined
  const [, scheme = '', authority, path = '', query, fragment] = found
  const [, host = authority ?? '', port] = AUTHORITY.exec(authority ?? '') ?? []
  return { text, scheme, authority, host, port, path, query, fragment }
}

const NOTHING: Omit<Parts, 'text'> = {
  scheme: '',
  authority: undefined,
  host: '',
  port: undefined,
  path: '',
  query: undefined,
  fragment: undefined,
}

/** Whether the app may have schemes that are no domain. */
interface SchemeSwitch {
  readonly schemesWithoutDomain?: boolean
}

/** What a rule sees. */
interface Candidate extends Parts, SchemeSwitch {
  type: AppType
  /** Whether the text has the anatomy of an absolute URI. */
  isUri: boolean
}

/** One rule of the table; the first that refuses is the one that is told. */
export interface UriRule {
  readonly name: string
  /** When the rule is asked at all, in words for the documentation and as a condition. */
  readonly appliesTo: string
  readonly applies: (uri: Candidate) => boolean
  readonly refuses: (uri: Candidate) => boolean
  readonly sentence: string
}

const always = { appliesTo: 'every URI', applies: () => true }
const isWebScheme = (uri: Candidate): boolean => /^https?$/i.test(uri.scheme)
const ofWeb = { appliesTo: 'http and https', applies: isWebScheme }
const isPrivate = (uri: Candidate): boolean => !isWebScheme(uri)
const ofPrivate = { appliesTo: 'private-use schemes', applies: isPrivate }

// Schemes that run, read or open something on the person's own machine, and those of other
// protocols: no switch lets them pass.
const DANGEROUS_SCHEMES = new RegExp(
  `^(?:${[
    'javascript|x-javascript|vbscript|livescript|mocha|data|file|filesystem|blob|about|view-source',
    'jar|intent|content|android-app|chrome|chrome-[a-z-]+|edge|brave|opera|vivaldi|moz-extension',
    'safari-[a-z-]+|resource|res|mhtml|mk|its|cid|mid|ms-[a-z-]+|microsoft-[a-z-]+|search|search-ms',
    'shell|hcp|help|x-apple[a-z.-]*|applescript|macappstores?|itms[a-z-]*|market|prefs|app-settings',
    'mailto|tel|sms|mms|facetime[a-z-]*|callto|sip|sips|geo|ftp|ftps|sftp|ws|wss|ssh|telnet|tftp',
    'ldap|ldaps|smb|nfs|afp|rdp|vnc|gopher|news|nntp|feed|webcal|irc|ircs|git|svn|magnet|null',
  ].join('|')})$`,
  'i',
)

const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])
const ANSWER_PARAMETERS: ReadonlySet<string> = new Set([
  'code',
  'state',
  'iss',
  'error',
  'error_description',
  'error_uri',
  'response',
])

const ASCII = /^[\x00-\x7F]*$/
// RFC 1123 labels (with the underscore, which real host names have), or anything that is not ASCII
// and so becomes punycode.
const LABEL =
  /^[a-z0-9_\u0080-\u{10FFFF}](?:[a-z0-9_\u0080-\u{10FFFF}-]*[a-z0-9_\u0080-\u{10FFFF}])?$/iu
const isIpv6 = (host: string): boolean => /^\[[0-9a-f:.]+\]$/i.test(host)

/** The host as the WHATWG parser writes it (punycode, shortest IPv6); `undefined` where it takes none. */
function parsedHost(host: string): string | undefined {
  try {
    return new URL(`https://${host}/`).hostname
  } catch {
    return undefined
  }
}

// An internationalised label must become an xn-- label and a plain one must stay: ｅxample.com and
// example。com otherwise turn into example.com behind the reader's back.
function looksLikeAnother(host: string): boolean {
  const written = host.split('.')
  const parsed = (parsedHost(host) ?? '').split('.')
  return (
    written.length !== parsed.length ||
    written.some((label, at) => !ASCII.test(label) && !parsed[at]?.startsWith('xn--'))
  )
}

// An xn-- label that decodes to nothing but ASCII, or not at all, is one that parsers disagree
// about.
const hasBrokenPunycode = (host: string): boolean =>
  host.split('.').some((label) => label.startsWith('xn--') && ASCII.test(domainToUnicode(label)))

const withStoredHost = (uri: Candidate): string =>
  ASCII.test(uri.host)
    ? uri.text
    : uri.text.replace(`//${uri.host}`, `//${parsedHost(uri.host) ?? uri.host}`)

// The last net: whatever slipped past the named rules must at least read the same for us and for a
// browser.
function readsDifferently(uri: Candidate): boolean {
  const text = withStoredHost(uri)
  try {
    const parsed = new URL(text)
    const expected = isWebScheme(uri)
      ? text
          .replace(/^(https:\/\/[^/?#]*?):443(?=[/?#]|$)/, '$1')
          .replace(/^(http:\/\/[^/?#]*?):80(?=[/?#]|$)/, '$1')
          .replace(/^(https?:\/\/[^/?#]*)(?=\?|$)/, '$1/')
      : text
    return parsed.href !== expected
  } catch {
    return true
  }
}

const REVERSED_DOMAIN = /^[a-z][a-z-]*(?:\.[a-z0-9](?:[a-z0-9+-]*[a-z0-9])?)+$/
const ANY_SCHEME = /^[a-z][a-z0-9+.-]+$/

const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i

/**
 * The rules of redirect URIs in the order in which they are asked. Order matters: what makes a text
 * dangerous to show comes first, then what makes it no URI, then the scheme, then the host, then
 * the rest; each rule may rely on those before it.
 */
export const REDIRECT_URI_RULES: readonly UriRule[] = [
  {
    ...always,
    name: 'uri-empty',
    refuses: ({ text }) => text === '',
    sentence: 'Write the whole address, like https://yourapp.com/callback.',
  },
  {
    ...always,
    name: 'uri-too-long',
    refuses: ({ text }) => text.length > MAX_URI_LENGTH,
    sentence: `Keep it within ${MAX_URI_LENGTH} characters.`,
  },
  {
    ...always,
    name: 'uri-space-or-control',
    refuses: ({ text }) => /[\u0000-\u0020\u007F-\u00A0\p{Z}\p{Cf}\p{Cs}]/u.test(text),
    sentence: 'It has a space, a line break or an invisible character: remove it.',
  },
  {
    ...always,
    name: 'uri-backslash',
    refuses: ({ text }) => text.includes('\\'),
    sentence: 'It has a backslash, which browsers read as a slash: write a slash.',
  },
  {
    ...always,
    name: 'uri-not-absolute',
    refuses: ({ isUri }) => !isUri,
    sentence: 'Write the whole address with its scheme, like https://yourapp.com/callback.',
  },
  {
    ...always,
    name: 'uri-dangerous-scheme',
    refuses: ({ scheme }) => DANGEROUS_SCHEMES.test(scheme),
    sentence: 'Addresses of this scheme can never receive an authorization: use https.',
  },
  {
    ...always,
    name: 'uri-upper-case-scheme',
    refuses: ({ scheme }) => scheme !== scheme.toLowerCase(),
    sentence: 'Write the scheme in lower case.',
  },
  {
    // RFC 6749 §3.1.2: "The endpoint URI MUST NOT include a fragment component."
    ...always,
    name: 'uri-fragment',
    refuses: ({ fragment }) => fragment !== undefined,
    sentence: 'It has a # part, which redirect URIs must not have: remove it.',
  },
  {
    // RFC 9700 §2.1: redirect URIs are compared exactly.
    ...always,
    name: 'uri-wildcard',
    refuses: ({ text }) => text.includes('*'),
    sentence: 'Wildcards are not offered, redirect URIs match exactly: register each address.',
  },
  {
    ...ofPrivate,
    name: 'uri-scheme-not-for-web',
    refuses: ({ type }) => type !== 'public',
    sentence: 'Only public apps (mobile, desktop) may use a scheme of their own: use https.',
  },
  {
    // RFC 8252 §7.1: a private-use scheme is a reversed domain name, "at a minimum, any private-use
    // URI scheme that doesn't contain a period character ("." ) SHOULD be rejected". One letter is
    // a drive.
    ...ofPrivate,
    name: 'uri-scheme-without-domain',
    refuses: ({ scheme, schemesWithoutDomain = false }) =>
      !(schemesWithoutDomain ? ANY_SCHEME : REVERSED_DOMAIN).test(scheme),
    sentence:
      'A scheme of your own must be a domain of yours written backwards, like com.yourapp:/callback. Schemes such as cursor: are accepted where “Schemes without a domain” (schemes_without_domain) is on.',
  },
  {
    ...ofPrivate,
    name: 'uri-private-without-path',
    refuses: ({ authority, path }) => authority === undefined && !path.startsWith('/'),
    sentence: 'Write a slash after the scheme, like com.yourapp:/callback.',
  },
  {
    ...ofWeb,
    name: 'uri-host-missing',
    refuses: ({ authority }) => authority === undefined || authority === '',
    sentence: 'Write the host after two slashes, like https://yourapp.com/callback.',
  },
  {
    ...always,
    name: 'uri-user-info',
    refuses: ({ authority }) => authority?.includes('@') ?? false,
    sentence: 'It has a user name before an @, which hides the real host: remove it.',
  },
  {
    ...always,
    name: 'uri-encoded-host',
    refuses: ({ authority }) => authority?.includes('%') ?? false,
    sentence: 'The host has percent-encoded characters: write them plainly.',
  },
  {
    ...always,
    name: 'uri-port',
    refuses: ({ port }) =>
      port !== undefined && (!/^[1-9][0-9]{0,4}$/.test(port) || Number(port) > 65535),
    sentence: 'The port must be a number from 1 to 65535 without leading zeros.',
  },
  {
    ...ofWeb,
    name: 'uri-upper-case-host',
    refuses: ({ host }) => host !== host.toLowerCase(),
    sentence: 'Write the host in lower case.',
  },
  {
    ...ofWeb,
    name: 'uri-host-form',
    refuses: ({ host }) =>
      !isIpv6(host) && (host.length > 253 || !host.split('.').every((label) => LABEL.test(label))),
    sentence:
      'The host is not a host name: letters, digits and hyphens between single dots, no dot at the end.',
  },
  {
    ...ofPrivate,
    name: 'uri-private-host-form',
    refuses: ({ host }) => !/^[A-Za-z0-9._-]*$/.test(host),
    sentence: 'What follows the two slashes may have letters, digits, dots and hyphens only.',
  },
  {
    ...ofWeb,
    name: 'uri-host-look-alike',
    refuses: ({ host }) =>
      !ASCII.test(host) && parsedHost(host) !== undefined && looksLikeAnother(host),
    sentence: 'The host has characters that only look like letters or dots: write plain ones.',
  },
  {
    // 127.1, 0x7f.1, 2130706433 and [0:0:0:0:0:0:0:1] are all spellings of an address that a
    // reader, or a filter, does not see.
    ...ofWeb,
    name: 'uri-host-spelling',
    refuses: ({ host }) =>
      parsedHost(host) === undefined ||
      hasBrokenPunycode(host) ||
      (ASCII.test(host) && parsedHost(host) !== host),
    sentence:
      'The host is not valid, or is an address in an unusual spelling: write the usual one.',
  },
  {
    // RFC 8252 §8.3 allows http for loopback alone. `localhost` is NOT RECOMMENDED there, since it
    // may resolve elsewhere, but not forbidden, and every development server uses it: it is taken,
    // matched exactly, and does not get the free port of the literal addresses.
    ...ofWeb,
    name: 'uri-http-not-loopback',
    refuses: ({ scheme, host }) => scheme === 'http' && !LOOPBACK_HOSTS.has(host),
    sentence:
      'Use https: plain http is only for apps on the same machine (http://127.0.0.1, http://[::1], http://localhost).',
  },
  {
    ...always,
    name: 'uri-characters',
    refuses: ({ path, query = '' }) =>
      !/^(?:[A-Za-z0-9\-._~!$&'()+,;=:@/?]|%[0-9A-Fa-f]{2})*$/.test(`${path}?${query}`),
    sentence: 'Percent-encode the special characters in the path and the query.',
  },
  {
    ...always,
    name: 'uri-encoded-control',
    refuses: ({ path, query = '' }) => /%(?:[01][0-9a-f]|7f|5c)/i.test(path + query),
    sentence: 'It has an encoded control character or backslash: remove it.',
  },
  {
    ...always,
    name: 'uri-dot-segment',
    refuses: ({ path }) => DOT_SEGMENT.test(path),
    sentence:
      'The path has . or .. segments, which browsers resolve: write the path that is meant.',
  },
  {
    ...always,
    name: 'uri-answer-parameter',
    refuses: ({ query }) =>
      [...new URLSearchParams(query).keys()].some((key) => ANSWER_PARAMETERS.has(key)),
    sentence: 'The query already has a parameter that the answer brings (like code or state).',
  },
  {
    ...always,
    name: 'uri-ambiguous',
    refuses: readsDifferently,
    sentence:
      'Browsers would read this address differently from how it is written: write it plainly.',
  },
]

/** The verdict on one URI: how it is stored (host in punycode), or the first rule that it breaks. */
export type UriVerdict =
  | { readonly kind: 'accepted'; readonly stored: string }
  | { readonly kind: 'refused'; readonly rule: string; readonly sentence: string }

function judge(
  text: string,
  rules: readonly UriRule[],
  app: SchemeSwitch & { readonly type: AppType },
): UriVerdict {
  const { type, schemesWithoutDomain = false } = app
  const parts = takeApart(text)
  const isUri = parts !== undefined
  const uri: Candidate = { ...NOTHING, ...parts, text, type, isUri, schemesWithoutDomain }
  const broken = rules.find((rule) => rule.applies(uri) && rule.refuses(uri))
  return broken === undefined
    ? { kind: 'accepted', stored: withStoredHost(uri) }
    : { kind: 'refused', rule: broken.name, sentence: broken.sentence }
}

/** Judges a redirect URI for an app of that type; does not throw, whatever the text. */
export const checkRedirectUri = (
  text: string,
  type: AppType,
  { schemesWithoutDomain = false }: SchemeSwitch = {},
): UriVerdict => judge(text, REDIRECT_URI_RULES, { type, schemesWithoutDomain })

const LINK_RULES: readonly UriRule[] = [
  ...REDIRECT_URI_RULES.filter(
    ({ name }) => name !== 'uri-fragment' && name !== 'uri-answer-parameter',
  ),
  {
    ...always,
    name: 'uri-not-https',
    refuses: ({ scheme }) => scheme !== 'https',
    sentence: 'Use an https address.',
  },
]

/** Judges an address that people are shown as a link (homepage, privacy, terms): https, by the same rules of spelling. */
export const checkLink = (text: string): UriVerdict => judge(text, LINK_RULES, { type: 'web' })

const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::([1-9][0-9]{0,4}))?(?=[/?]|$)/

/**
 * Takes the port out of an http URI on a loopback address literal, or on localhost; `undefined` for
 * any other URI.
 */
function withoutLoopbackPort(uri: string, withLocalhost: boolean): string | undefined {
  const found = LOOPBACK.exec(uri)
  if (found === null || Number(found[2] ?? 0) > 65535) return undefined
  if (found[1] === 'localhost' && !withLocalhost) return undefined
  return `http://${found[1] ?? ''}${uri.slice(found[0].length)}`
}

/**
 * Returns whether a presented redirect URI is one that the app registered: the same string, or, for
 * a public app on a loopback address literal, the same string but for the port, which the operating
 * system chose (RFC 8252 §7.3). `localhost` has a free port only where the app's switch says so,
 * since RFC 8252 §8.3 advises against the name.
 */
export function matchesRedirectUri(
  app: MatchedApp & { readonly localhostAnyPort?: boolean },
  presented: string,
): boolean {
  if (app.redirectUris.includes(presented)) return true
  return app.type === 'public' && matchesByPort(app, presented, app.localhostAnyPort === true)
}

/** Returns whether a URI that does not match would if localhost had a free port. */
export const wouldMatchByPort = (app: MatchedApp, presented: string): boolean =>
  app.type === 'public' && matchesByPort(app, presented, true)

interface MatchedApp {
  readonly type: AppType
  readonly redirectUris: readonly string[]
}

function matchesByPort(
  { redirectUris }: MatchedApp,
  presented: string,
  withLocalhost: boolean,
): boolean {
  const wanted = withoutLoopbackPort(presented, withLocalhost)
  return (
    wanted !== undefined &&
    redirectUris.some((uri) => withoutLoopbackPort(uri, withLocalhost) === wanted)
  )
}
