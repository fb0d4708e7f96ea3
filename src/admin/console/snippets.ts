// Code that an app's developer can paste and run: with the real issuer, client id, redirect URI and
// scopes, the secret from the environment. test/http/console-snippets.test.ts runs each. Pure;
// called by the credentials pages.
import { needsPerson, OFFLINE_ACCESS } from '../../apps/scope.ts'
import { type App, isConfidential } from '../../model/app.ts'
import { curl } from './snippets/curl.ts'
import { go } from './snippets/go.ts'
import { java } from './snippets/java.ts'
import { fillIn, type Language } from './snippets/language.ts'
import { node } from './snippets/node.ts'
import { php } from './snippets/php.ts'
import { python } from './snippets/python.ts'
import { ruby } from './snippets/ruby.ts'

/** One piece of code. */
export interface Snippet {
  id: string
  language: string
  /** What it needs, in one line. */
  needs: string
  code: string
}

const LANGUAGES: readonly Language[] = [curl, node, python, go, php, ruby, java]

/**
 * Returns the snippets that fit the app's type; none where it may ask for no scope, because each of
 * its requests would be refused.
 */
export function snippetsFor(app: App, issuer: string): Snippet[] {
  const { type, scopes, redirectUris, audiences } = app
  const own = scopes.filter(
    (name) => name !== OFFLINE_ACCESS && !(type === 'machine' && needsPerson(name)),
  )
  if (own.length === 0 && type !== 'resource_server') return []
  const values = {
    issuer,
    clientId: app.id,
    redirectUri: redirectUris[0] ?? '',
    scope: own.join(' '),
    audience: audiences[0],
  }
  const hasSecret = isConfidential(app)
  return LANGUAGES.map((language) => ({
    id: language.id,
    language: language.name,
    needs: hasSecret ? `${language.needs}; ${SECRET_NEEDS}` : language.needs,
    code: fillIn(programFor(type, language), language, values, hasSecret),
  }))
}

const SECRET_NEEDS = 'OTESSE_CLIENT_SECRET in the environment'

function programFor(type: App['type'], language: Language): string {
  if (type === 'machine') return language.machine
  return type === 'resource_server' ? language.resourceServer : language.codeFlow
}
