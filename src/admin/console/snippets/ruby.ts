// For Ruby, with nothing but its standard library.
import { type Language, singleQuote } from './language.ts'

const call = (name: string, url: string): string => String.raw`
def ${name}(parameters)
  answer = Net::HTTP.post_form(URI(‹${url}›), {
    **parameters,
    'client_id' => ‹clientId›,
    'client_secret' => ‹secret›,
  })
  facts = JSON.parse(answer.body)
  abort "#{facts['error_description']} #{facts['error_uri']}" if facts['error']
  facts
end`

export const ruby: Language = {
  id: 'ruby',
  name: 'Ruby',
  needs: 'Ruby 3 or newer',
  quote: singleQuote,
  secret: "ENV.fetch('OTESSE_CLIENT_SECRET')",
  codeFlow: String.raw`
require 'digest'
require 'json'
require 'net/http'
require 'securerandom'
${call('token', 'tokenUrl')}

# When somebody connects: keep both values in their session, then redirect.
verifier = SecureRandom.urlsafe_base64(32)
state = SecureRandom.urlsafe_base64(16)
puts 'Open ' + ‹authorizeUrl› + '?' + URI.encode_www_form(
  'client_id' => ‹clientId›,
  'redirect_uri' => ‹redirectUri›,
  'response_type' => 'code',
  'scope' => ‹scope›,
  'state' => state,
  'code_challenge' => [Digest::SHA256.digest(verifier)].pack('m0').tr('+/', '-_').delete('='),
  'code_challenge_method' => 'S256'
)
$stdout.flush

# At the redirect URI: a web app takes the parameters of the request.
print 'The address that you came back to: '
back = URI.decode_www_form(URI($stdin.gets.strip).query).to_h
abort 'The answer is not to our request: start again.' if back['state'] != state || back['iss'] != ‹issuer›
abort "#{back['error_description']} #{back['error_uri']}" if back['error']

tokens = token({
  'grant_type' => 'authorization_code',
  'code' => back['code'],
  'redirect_uri' => ‹redirectUri›,
  'code_verifier' => verifier
})
# Store both tokens where only the app can read them; never in an address or a log.
puts "Connected: #{tokens['scope']}, for #{tokens['expires_in']} seconds"

# When the access token has expired (store the new refresh token as well):
# token({ 'grant_type' => 'refresh_token', 'refresh_token' => tokens['refresh_token'] })
`,
  machine: String.raw`
require 'json'
require 'net/http'
${call('token', 'tokenUrl')}

tokens = token({
  'grant_type' => 'client_credentials',
  'scope' => ‹scope›,
  'audience' => ‹audience›,
})
# Use it as "Authorization: Bearer ..." until it expires, then ask for another one.
puts "Got a token: #{tokens['scope']}, for #{tokens['expires_in']} seconds"
`,
  resourceServer: String.raw`
require 'json'
require 'net/http'
${call('introspect', 'introspectUrl')}

print 'Access token: '
facts = introspect({ 'token' => $stdin.gets.strip })
# {"active" => true, "scope" => ..., "client_id" => ..., "sub" => ...} or {"active" => false}
puts facts['active'] ? "Active: #{facts['scope']}" : 'Not active: answer 401'
`,
}
