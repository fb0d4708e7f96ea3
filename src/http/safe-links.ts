// Addresses that may stand in a link or a picture. Invariant: escaping keeps a hostile address
// inside its attribute, but would still make `javascript:…` a link; and a picture on another origin
// would tell that origin who is about to sign in. So pages take addresses only as these functions
// return them.
declare const isSafe: unique symbol

/** An address that may stand in a link. */
export type SafeLink = string & { readonly [isSafe]: true }

/** Returns a plain web address; `undefined` for anything else, `javascript:` above all. */
export function webAddress(address: string | undefined): SafeLink | undefined {
  const url = address === undefined ? null : URL.parse(address)
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:'
  return isWeb ? (url.href as SafeLink) : undefined
}

/** Returns a path on our own origin; `undefined` for anything else. */
export function ownPath(path: string | undefined): SafeLink | undefined {
  // `//host` and `/\\host` are addresses of another origin, and browsers drop tabs and line ends
  // before they look.
  const isOwn = path !== undefined && /^\/(?![/\\])[\x21-\x7e]*$/.test(path)
  return isOwn ? (path as SafeLink) : undefined
}
