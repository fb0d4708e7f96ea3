// The requests that two introspection endpoints get, and how each is written. Used by the
// comparison with the engine.
import type { TestClient } from './builders.ts'
import { basicHeader } from './oauth-client.ts'

/** Who asks; a stranger is no registered app. */
export const CALLERS = [
  'web',
  'rotating',
  'spa',
  'machine',
  'aimed',
  'api',
  'otherApi',
  'stranger',
] as const
export type Caller = (typeof CALLERS)[number]

/** How the caller proves itself. */
export const MANNERS = [
  'basic',
  'post',
  'client_id alone',
  'nothing',
  'basic, wrong secret',
  'post, wrong secret',
  'basic and post',
  'basic and the same client_id',
  'basic and another client_id',
  'basic, no secret',
  'post, empty secret',
  'basic, no colon',
  'basic, not base64',
  'bearer',
] as const
export type Manner = (typeof MANNERS)[number]

/** The token_type_hint. */
export const HINTS = ['none', 'access_token', 'refresh_token', 'unknown', 'empty'] as const

/** How the body is written, and what is wrong with it. */
export const BODIES = [
  'form',
  'form, charset utf-8',
  'unknown parameter',
  'no token',
  'empty token',
  'token twice',
  'hint twice',
  'client_id twice',
  'text/plain',
  'no content type',
  'json',
  'unknown parameter twice',
  'broken escape',
  'form, charset latin1',
] as const
export type BodyForm = (typeof BODIES)[number]

/** One question; `token` is the name of a kind of token. */
export interface Case {
  caller: Caller
  manner: Manner
  token: string
  hint: (typeof HINTS)[number]
  body: BodyForm
}

/** The apps of the callers. */
export type CallerApps = Record<Exclude<Caller, 'stranger'>, TestClient>

/** Returns whether the value is one of the list. */
export const isOneOf = <T extends string>(value: T, ...list: readonly T[]): boolean =>
  list.includes(value)

/** Spells a case as a request. @param text the token of that kind */
export function requestFor(
  { caller, manner, hint, body }: Case,
  text: string,
  apps: CallerApps,
): RequestInit {
  const { id, secret = 'a-public-app-has-none' } =
    caller === 'stranger' ? { id: 'nobody', secret: 'made up' } : apps[caller]
  const other = caller === 'web' ? apps.machine.id : apps.web.id
  const headers: Record<string, string> = { accept: 'application/json' }
  const fields: [string, string][] = []
  const withHeader = (authorization: string) => Object.assign(headers, { authorization })
  const basic = { secret: basicHeader(id, secret), nothing: basicHeader(id, '') }
  if (manner === 'bearer') withHeader('Bearer abc')
  else if (manner === 'basic, not base64') withHeader('Basic !!!')
  else if (manner === 'basic, no colon') withHeader(`Basic ${Buffer.from(id).toString('base64')}`)
  else if (manner === 'basic, no secret') withHeader(basic.nothing)
  else if (manner === 'basic, wrong secret') withHeader(basicHeader(id, `${secret}x`))
  else if (manner.startsWith('basic')) withHeader(basic.secret)
  if (
    manner.startsWith('post') ||
    isOneOf(manner, 'client_id alone', 'basic and the same client_id')
  )
    fields.push(['client_id', id])
  if (manner === 'basic and another client_id') fields.push(['client_id', other])
  if (isOneOf(manner, 'post', 'basic and post')) fields.push(['client_secret', secret])
  if (manner === 'post, wrong secret') fields.push(['client_secret', `${secret}x`])
  if (manner === 'post, empty secret') fields.push(['client_secret', ''])

  if (body === 'empty token') fields.push(['token', ''])
  else if (body !== 'no token') fields.push(['token', text])
  if (body === 'token twice') fields.push(['token', text])
  if (hint !== 'none') fields.push(['token_type_hint', hint === 'empty' ? '' : hint])
  if (body === 'hint twice') fields.push(['token_type_hint', 'a'], ['token_type_hint', 'b'])
  if (body === 'client_id twice') fields.push(['client_id', id], ['client_id', id])
  if (body.startsWith('unknown parameter')) fields.push(['colour', 'blue'])
  if (body === 'unknown parameter twice') fields.push(['colour', 'red'])
  const form = new URLSearchParams(fields).toString()
  return {
    method: 'POST',
    headers: { ...headers, ...contentType(body) },
    // Bytes, because fetch gives every text a content type.
    body: Buffer.from(
      body === 'json'
        ? JSON.stringify(Object.fromEntries(fields))
        : body === 'broken escape'
          ? `${form}&colour=%zz`
          : form,
    ),
  }
}

function contentType(body: BodyForm): Record<string, string> {
  const form = 'application/x-www-form-urlencoded'
  const types: Partial<Record<BodyForm, string>> = {
    json: 'application/json',
    'text/plain': 'text/plain',
    'form, charset utf-8': `${form}; charset=UTF-8`,
    'form, charset latin1': `${form}; charset=iso-8859-1`,
  }
  return body === 'no content type' ? {} : { 'content-type': types[body] ?? form }
}
