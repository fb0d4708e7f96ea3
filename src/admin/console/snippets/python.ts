// For Python, with nothing but its standard library.
import { jsonQuote, type Language } from './language.ts'

const call = (name: string, url: string): string => String.raw`
def ${name}(parameters):
    body = {
        **parameters,
        "client_id": ‹clientId›,
        "client_secret": ‹secret›,
    }
    data = urllib.parse.urlencode(body).encode()
    try:
        with urllib.request.urlopen(‹${url}›, data, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        raise SystemExit(problem["error_description"] + " " + problem["error_uri"])
`

export const python: Language = {
  id: 'python',
  name: 'Python',
  needs: 'Python 3.8 or newer',
  quote: jsonQuote,
  secret: 'os.environ["OTESSE_CLIENT_SECRET"]',
  codeFlow: String.raw`
import base64, hashlib, json, os, secrets
import urllib.error, urllib.parse, urllib.request

${call('token', 'tokenUrl')}

# When somebody connects: keep both values in their session, then redirect.
verifier = secrets.token_urlsafe(32)
state = secrets.token_urlsafe(16)
digest = hashlib.sha256(verifier.encode()).digest()
query = {
    "client_id": ‹clientId›,
    "redirect_uri": ‹redirectUri›,
    "response_type": "code",
    "scope": ‹scope›,
    "state": state,
    "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    "code_challenge_method": "S256",
}
print("Open " + ‹authorizeUrl› + "?" + urllib.parse.urlencode(query), flush=True)

# At the redirect URI: a web app takes the address of the request.
address = input("The address that you came back to: ")
back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
if back.get("state") != state or back.get("iss") != ‹issuer›:
    raise SystemExit("The answer is not to our request: start again.")
if "error" in back:
    raise SystemExit(back["error_description"] + " " + back["error_uri"])

tokens = token({
    "grant_type": "authorization_code",
    "code": back["code"],
    "redirect_uri": ‹redirectUri›,
    "code_verifier": verifier,
})
# Store both tokens where only the app can read them; never in an address or a log.
print("Connected:", tokens["scope"] + ", for", tokens["expires_in"], "seconds")

# When the access token has expired (store the new refresh token as well):
# token({"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
`,
  machine: String.raw`
import json, os
import urllib.error, urllib.parse, urllib.request

${call('token', 'tokenUrl')}

tokens = token({
    "grant_type": "client_credentials",
    "scope": ‹scope›,
    "audience": ‹audience›,
})
# Use it as "Authorization: Bearer ..." until it expires, then ask for another one.
print("Got a token:", tokens["scope"] + ", for", tokens["expires_in"], "seconds")
`,
  resourceServer: String.raw`
import json, os
import urllib.error, urllib.parse, urllib.request

${call('introspect', 'introspectUrl')}

facts = introspect({"token": input("Access token: ")})
# {"active": True, "scope": "...", "client_id": "...", "sub": "..."} or {"active": False}
print("Active: " + facts["scope"] if facts["active"] else "Not active: answer 401")
`,
}
