// For Go, with nothing but its standard library.
import { jsonQuote, type Language } from './language.ts'

const call = (name: string, url: string): string => String.raw`
func ${name}(form url.Values) (facts map[string]any) {
	form.Set("client_id", ‹clientId›)
	form.Set("client_secret", ‹secret›)
	answer, err := http.PostForm(‹${url}›, form)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&facts); err != nil {
		log.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		log.Fatal(facts["error_description"], " ", facts["error_uri"])
	}
	return facts
}`

export const go: Language = {
  id: 'go',
  name: 'Go',
  needs: 'Go 1.22 or newer, in a file that ends in .go',
  quote: jsonQuote,
  secret: 'os.Getenv("OTESSE_CLIENT_SECRET")',
  codeFlow: String.raw`
package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"‹ifSecret›
)

func random() string {
	bytes := make([]byte, 32)
	if _, err := rand.Read(bytes); err != nil {
		log.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(bytes)
}

func main() {
	// When somebody connects: keep both values in their session, then redirect.
	verifier, state := random(), random()
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"client_id":             {‹clientId›},
		"redirect_uri":          {‹redirectUri›},
		"response_type":         {"code"},
		"scope":                 {‹scope›},
		"state":                 {state},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
	fmt.Println("Open " + ‹authorizeUrl› + "?" + query.Encode())

	// At the redirect URI: a web app takes the address of the request.
	fmt.Print("The address that you came back to: ")
	var address string
	fmt.Scanln(&address)
	location, err := url.Parse(address)
	if err != nil {
		log.Fatal(err)
	}
	back := location.Query()
	if back.Get("state") != state || back.Get("iss") != ‹issuer› {
		log.Fatal("The answer is not to our request: start again.")
	}
	if back.Has("error") {
		log.Fatal(back.Get("error_description"), " ", back.Get("error_uri"))
	}

	tokens := token(url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {back.Get("code")},
		"redirect_uri":  {‹redirectUri›},
		"code_verifier": {verifier},
	})
	// Store both tokens where only the app can read them; never in an address or a log.
	fmt.Printf("Connected: %v, for %v seconds\n", tokens["scope"], tokens["expires_in"])

	// When the access token has expired: grant_type refresh_token with the refresh_token, and
	// store the new refresh token as well.
}

${call('token', 'tokenUrl')}
`,
  machine: String.raw`
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
)

func main() {
	tokens := token(url.Values{
		"grant_type": {"client_credentials"},
		"scope":      {‹scope›},
		"audience":   {‹audience›},
	})
	// Use it as "Authorization: Bearer ..." until it expires, then ask for another one.
	fmt.Printf("Got a token: %v, for %v seconds\n", tokens["scope"], tokens["expires_in"])
}

${call('token', 'tokenUrl')}
`,
  resourceServer: String.raw`
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
)

func main() {
	fmt.Print("Access token: ")
	var token string
	fmt.Scanln(&token)
	// active, and where it is true: scope, client_id, sub, exp
	facts := introspect(url.Values{"token": {token}})
	if facts["active"] == true {
		fmt.Println("Active:", facts["scope"])
	} else {
		fmt.Println("Not active: answer 401")
	}
}

${call('introspect', 'introspectUrl')}
`,
}
