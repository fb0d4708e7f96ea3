// Code that an app's developer can paste and run: with the real issuer, client id, redirect URI and
// scopes, the secret from the environment. Invariant: every value is written as a literal of its
// language, so that none of them can end its string. Pure; called by the credentials pages.
import type { App } from '../../model/app.ts'
import { needsPerson } from '../../apps/scope.ts'

/** One piece of code. */
export interface Snippet {
  id: string
  language: string
  /** What it needs, in one line. */
  needs: string
  code: string
}

interface Facts {
  issuer: string
  clientId: string
  redirectUri: string
  scope: string
  audience: string | undefined
  isPublic: boolean
}

/**
 * Where the developer's own Node program finds the secret; in parts, because nothing here reads the
 * environment of ours.
 */
const NODE_SECRET = ['process', 'env', 'OTESSE_CLIENT_SECRET'].join('.')

/**
 * A literal for JavaScript, Python and Go: their double-quoted strings agree on what JSON writes.
 */
const text = (value: string): string => JSON.stringify(value)
/** A literal for POSIX shells. */
const shell = (value: string): string => `'${value.replaceAll("'", `'\\''`)}'`
const form = (value: string): string => encodeURIComponent(value)

/** Returns the snippets that fit the app's type. */
export function snippetsFor(app: App, issuer: string): Snippet[] {
  const facts: Facts = {
    issuer,
    clientId: app.id,
    redirectUri: app.redirectUris[0] ?? '',
    scope: app.scopes.join(' '),
    audience: app.audiences[0],
    isPublic: app.type === 'public',
  }
  if (app.type === 'machine')
    return machine({ ...facts, scope: app.scopes.filter((name) => !needsPerson(name)).join(' ') })
  if (app.type === 'resource_server') return resourceServer(facts)
  return codeFlow(facts)
}

const snippet = (id: string, language: string, needs: string, code: string): Snippet => ({
  id,
  language,
  needs,
  code: code.trim(),
})

function machine({ issuer, clientId, scope, audience }: Facts): Snippet[] {
  const audienceLine = (write: (value: string) => string): string =>
    audience === undefined ? '' : write(audience)
  return [
    snippet(
      'curl',
      'curl',
      'OTESSE_CLIENT_SECRET in the environment',
      `
curl -sS ${shell(`${issuer}/oauth/token`)} \\
  -u ${shell(clientId)}":$OTESSE_CLIENT_SECRET" \\
  -d grant_type=client_credentials \\
  --data-urlencode ${shell(`scope=${scope}`)}${audienceLine((value) => ` \\\n  --data-urlencode ${shell(`audience=${value}`)}`)}`,
    ),
    snippet(
      'node',
      'Node',
      'npm install openid-client',
      `
import * as client from 'openid-client'

const config = await client.discovery(
  new URL(${text(issuer)}),
  ${text(clientId)},
  ${NODE_SECRET},${insecureNode(issuer)}
)
const tokens = await client.clientCredentialsGrant(config, {
  scope: ${text(scope)},${audienceLine((value) => `\n  audience: ${text(value)},`)}
})
console.log(tokens.access_token, 'for', tokens.expires_in, 'seconds')`,
    ),
    snippet(
      'python',
      'Python',
      'pip install requests',
      `
import os
import requests

answer = requests.post(
    ${text(`${issuer}/oauth/token`)},
    auth=(${text(clientId)}, os.environ["OTESSE_CLIENT_SECRET"]),
    data={
        "grant_type": "client_credentials",
        "scope": ${text(scope)},${audienceLine((value) => `\n        "audience": ${text(value)},`)}
    },
    timeout=10,
)
answer.raise_for_status()
print(answer.json()["access_token"])`,
    ),
    snippet(
      'go',
      'Go',
      'go get golang.org/x/oauth2',
      `
package main

import (
	"context"
	"fmt"
	"log"${audience === undefined ? '' : '\n\t"net/url"'}
	"os"

	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	config := clientcredentials.Config{
		ClientID:     ${text(clientId)},
		ClientSecret: os.Getenv("OTESSE_CLIENT_SECRET"),
		TokenURL:     ${text(`${issuer}/oauth/token`)},
		Scopes:       []string{${scope.split(' ').filter(Boolean).map(text).join(', ')}},${audienceLine((value) => `\n\n\t\tEndpointParams: url.Values{"audience": {${text(value)}}},`)}
	}
	token, err := config.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.AccessToken)
}`,
    ),
  ]
}

/**
 * openid-client refuses http unless it is told that this is meant: a server on the developer's own
 * machine.
 */
const insecureNode = (issuer: string): string =>
  issuer.startsWith('http:')
    ? '\n  undefined,\n  { execute: [client.allowInsecureRequests] }, // http: on your own machine only'
    : ''

function codeFlow({ issuer, clientId, redirectUri, scope, isPublic }: Facts): Snippet[] {
  const secretNeeds = isPublic
    ? 'nothing but curl and openssl'
    : 'OTESSE_CLIENT_SECRET in the environment'
  const query = [
    `client_id=${form(clientId)}`,
    `redirect_uri=${form(redirectUri)}`,
    'response_type=code',
    `scope=${form(scope)}`,
  ].join('&')
  return [
    snippet(
      'curl',
      'curl',
      secretNeeds,
      `
VERIFIER=$(openssl rand -hex 32)
CHALLENGE=$(printf %s "$VERIFIER" | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d '=')
STATE=$(openssl rand -hex 16)

# 1. Open this in a browser, sign in and allow the app.
echo ${shell(`${issuer}/oauth/authorize?${query}`)}"&state=$STATE&code_challenge=$CHALLENGE&code_challenge_method=S256"

# 2. You come back to the redirect URI with ?code=…&state=…: compare the state, then paste the code.
read -r -p 'code: ' CODE
curl -sS ${shell(`${issuer}/oauth/token`)} \\
${isPublic ? `  --data-urlencode ${shell(`client_id=${clientId}`)}` : `  -u ${shell(clientId)}":$OTESSE_CLIENT_SECRET"`} \\
  -d grant_type=authorization_code \\
  -d "code=$CODE" -d "code_verifier=$VERIFIER" \\
  --data-urlencode ${shell(`redirect_uri=${redirectUri}`)}`,
    ),
    snippet(
      'node',
      'Node',
      'npm install openid-client',
      `
import * as client from 'openid-client'

const config = await client.discovery(
  new URL(${text(issuer)}),
  ${text(clientId)},
  ${isPublic ? 'undefined' : NODE_SECRET},${insecureNode(issuer).replace('\n  undefined,', isPublic ? '\n  client.None(),' : '\n  undefined,')}${isPublic && !issuer.startsWith('http:') ? '\n  client.None(),' : ''}
)

// When somebody connects: keep both values in their session, then redirect.
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const url = client.buildAuthorizationUrl(config, {
  redirect_uri: ${text(redirectUri)},
  scope: ${text(scope)},
  state,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})

// At the redirect URI: currentUrl is the address that was called, with its query.
const tokens = await client.authorizationCodeGrant(config, currentUrl, {
  pkceCodeVerifier: verifier,
  expectedState: state,
})

// Later, when the access token has expired:
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)`,
    ),
    snippet(
      'python',
      'Python',
      'pip install requests-oauthlib',
      `
import os
from requests_oauthlib import OAuth2Session

session = OAuth2Session(
    ${text(clientId)},
    redirect_uri=${text(redirectUri)},
    scope=${text(scope)}.split(),
    pkce="S256",
)
url, state = session.authorization_url(${text(`${issuer}/oauth/authorize`)})
print("Open", url)

token = session.fetch_token(
    ${text(`${issuer}/oauth/token`)},
    authorization_response=input("The address that you came back to: "),
${isPublic ? '    include_client_id=True,' : '    client_secret=os.environ["OTESSE_CLIENT_SECRET"],'}
)
print(token["access_token"])`.replace(isPublic ? 'import os\n' : '\u0000', ''),
    ),
    snippet(
      'go',
      'Go',
      'go get golang.org/x/oauth2, Go 1.24 or newer',
      `
config := &oauth2.Config{
	ClientID:     ${text(clientId)},${isPublic ? '' : '\n\tClientSecret: os.Getenv("OTESSE_CLIENT_SECRET"),'}
	RedirectURL:  ${text(redirectUri)},
	Scopes:       []string{${scope.split(' ').filter(Boolean).map(text).join(', ')}},
	Endpoint: oauth2.Endpoint{
		AuthURL:  ${text(`${issuer}/oauth/authorize`)},
		TokenURL: ${text(`${issuer}/oauth/token`)},
	},
}

// When somebody connects: keep both values in their session, then redirect.
verifier := oauth2.GenerateVerifier()
state := rand.Text() // crypto/rand
url := config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))

// At the redirect URI, after comparing the state:
token, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))

// This client renews the access token by itself.
client := config.Client(ctx, token)`,
    ),
  ]
}

function resourceServer({ issuer, clientId }: Facts): Snippet[] {
  return [
    snippet(
      'curl',
      'curl',
      'OTESSE_CLIENT_SECRET in the environment',
      `
read -r -p 'access token: ' TOKEN
curl -sS ${shell(`${issuer}/oauth/introspect`)} \\
  -u ${shell(clientId)}":$OTESSE_CLIENT_SECRET" \\
  -d "token=$TOKEN"`,
    ),
    snippet(
      'node',
      'Node',
      'nothing but Node 20',
      `
const credentials = Buffer.from(${text(`${clientId}:`)} + ${NODE_SECRET}).toString('base64')

export async function introspect(token) {
  const answer = await fetch(${text(`${issuer}/oauth/introspect`)}, {
    method: 'POST',
    headers: { authorization: \`Basic \${credentials}\` },
    body: new URLSearchParams({ token }),
  })
  if (!answer.ok) throw new Error(\`introspection answered \${answer.status}\`)
  return answer.json() // { active: true, scope, client_id, sub, exp } or { active: false }
}`,
    ),
    snippet(
      'python',
      'Python',
      'pip install requests',
      `
import os
import requests

def introspect(token):
    answer = requests.post(
        ${text(`${issuer}/oauth/introspect`)},
        auth=(${text(clientId)}, os.environ["OTESSE_CLIENT_SECRET"]),
        data={"token": token},
        timeout=5,
    )
    answer.raise_for_status()
    return answer.json()  # {"active": True, "scope": …} or {"active": False}`,
    ),
    snippet(
      'go',
      'Go',
      'the standard library',
      `
func introspect(ctx context.Context, token string) (map[string]any, error) {
	body := strings.NewReader(url.Values{"token": {token}}.Encode())
	request, err := http.NewRequestWithContext(ctx, "POST", ${text(`${issuer}/oauth/introspect`)}, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(${text(clientId)}, os.Getenv("OTESSE_CLIENT_SECRET"))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var facts map[string]any
	err = json.NewDecoder(answer.Body).Decode(&facts)
	return facts, err
}`,
    ),
  ]
}
