// For Node, with nothing but what it brings.
import { jsonQuote, type Language } from './language.ts'

// In parts: these are the developer's program's, not ours, which takes both from elsewhere.
const CRYPTO = ['node', 'crypto'].join(':')
const SECRET = ['process', 'env', 'OTESSE_CLIENT_SECRET'].join('.')

const TOKEN = String.raw`
async function token(parameters) {
  const response = await fetch(‹tokenUrl›, {
    method: 'POST',
    body: new URLSearchParams({
      ...parameters,
      client_id: ‹clientId›,
      client_secret: ‹secret›,
    }),
  })
  const body = await response.json()
  if (!response.ok) throw new Error(body.error_description + ' ' + body.error_uri)
  return body
}`

export const node: Language = {
  id: 'node',
  name: 'Node',
  needs: 'Node 20 or newer, in a file that ends in .mjs',
  quote: jsonQuote,
  secret: SECRET,
  codeFlow: String.raw`
import { createHash, randomBytes } from '${CRYPTO}'
import { createInterface } from 'node:readline/promises'

// When somebody connects: keep both values in their session, then redirect.
const verifier = randomBytes(32).toString('base64url')
const state = randomBytes(16).toString('base64url')
const query = new URLSearchParams({
  client_id: ‹clientId›,
  redirect_uri: ‹redirectUri›,
  response_type: 'code',
  scope: ‹scope›,
  state,
  code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  code_challenge_method: 'S256',
})
console.log('Open ' + ‹authorizeUrl› + '?' + query)

// At the redirect URI: a web app takes the address of the request.
const terminal = createInterface({ input: process.stdin, output: process.stdout })
const back = new URL(await terminal.question('The address that you came back to: ')).searchParams
terminal.close()
if (back.get('state') !== state || back.get('iss') !== ‹issuer›)
  throw new Error('The answer is not to our request: start again.')
if (back.has('error')) throw new Error(back.get('error_description') + ' ' + back.get('error_uri'))

const tokens = await token({
  grant_type: 'authorization_code',
  code: back.get('code'),
  redirect_uri: ‹redirectUri›,
  code_verifier: verifier,
})
// Store both tokens where only the app can read them; never in an address or a log.
console.log('Connected: ' + tokens.scope + ', for ' + tokens.expires_in + ' seconds')

// When the access token has expired (store the new refresh token as well):
// await token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
${TOKEN}
`,
  machine: String.raw`
const tokens = await token({
  grant_type: 'client_credentials',
  scope: ‹scope›,
  audience: ‹audience›,
})
// Use it as "Authorization: Bearer ..." until it expires, then ask for another one.
console.log('Got a token: ' + tokens.scope + ', for ' + tokens.expires_in + ' seconds')
${TOKEN}
`,
  resourceServer: String.raw`
import { createInterface } from 'node:readline/promises'

export async function introspect(token) {
  const response = await fetch(‹introspectUrl›, {
    method: 'POST',
    body: new URLSearchParams({
      token,
      client_id: ‹clientId›,
      client_secret: ‹secret›,
    }),
  })
  const body = await response.json()
  if (!response.ok) throw new Error(body.error_description + ' ' + body.error_uri)
  return body // { active: true, scope, client_id, sub, exp } or { active: false }
}

const terminal = createInterface({ input: process.stdin, output: process.stdout })
const { active, scope } = await introspect(await terminal.question('Access token: '))
terminal.close()
console.log(active ? 'Active: ' + scope : 'Not active: answer 401')
`,
}
