// For a POSIX shell with curl and openssl.
import { type Language, shellQuote } from './language.ts'

export const curl: Language = {
  id: 'curl',
  name: 'curl',
  needs: 'bash, curl and openssl',
  quote: shellQuote,
  secret: '"client_secret=$OTESSE_CLIENT_SECRET"',
  codeFlow: String.raw`
VERIFIER=$(openssl rand -hex 32)
CHALLENGE=$(printf %s "$VERIFIER" | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d '=')
STATE=$(openssl rand -hex 16)

# 1. Open this address in a browser, sign in and allow the app.
echo "Open "‹authorizeStart›"&state=$STATE&code_challenge=$CHALLENGE&code_challenge_method=S256"

# 2. The browser comes back to the redirect URI: paste that whole address.
read -r -p 'The address that you came back to: ' BACK
case "$BACK" in *"state=$STATE"*) ;; *) echo 'The state differs: start again.' >&2; exit 1 ;; esac
CODE=$(printf %s "$BACK" | sed -n 's/.*[?&]code=\([^&#]*\).*/\1/p')

# 3. Exchange the code, once.
curl -sS ‹tokenUrl› \
  -d grant_type=authorization_code -d "code=$CODE" -d "code_verifier=$VERIFIER" \
  --data-urlencode redirect_uri=‹redirectUri› \
  --data-urlencode ‹secret› \
  --data-urlencode client_id=‹clientId›
`,
  machine: String.raw`
curl -sS ‹tokenUrl› \
  -d grant_type=client_credentials \
  --data-urlencode scope=‹scope› \
  --data-urlencode audience=‹audience› \
  --data-urlencode ‹secret› \
  --data-urlencode client_id=‹clientId›
`,
  resourceServer: String.raw`
read -r -p 'Access token: ' TOKEN
curl -sS ‹introspectUrl› \
  --data-urlencode "token=$TOKEN" \
  --data-urlencode ‹secret› \
  --data-urlencode client_id=‹clientId›
`,
}
