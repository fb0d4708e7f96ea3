// For PHP, with nothing but what it brings.
import { type Language, singleQuote } from './language.ts'

const call = (name: string, url: string): string => String.raw`
function ${name}(array $parameters): array
{
    $parameters += [
        'client_id' => ‹clientId›,
        'client_secret' => ‹secret›,
    ];
    $answer = file_get_contents(‹${url}›, false, stream_context_create(['http' => [
        'method' => 'POST',
        'header' => 'Content-Type: application/x-www-form-urlencoded',
        'content' => http_build_query($parameters),
        'ignore_errors' => true,
        'timeout' => 10,
    ]]));
    if ($answer === false) {
        throw new RuntimeException('The server did not answer.');
    }
    $facts = json_decode($answer, true, 16, JSON_THROW_ON_ERROR);
    if (isset($facts['error'])) {
        throw new RuntimeException($facts['error_description'] . ' ' . $facts['error_uri']);
    }
    return $facts;
}`

export const php: Language = {
  id: 'php',
  name: 'PHP',
  needs: 'PHP 8 or newer with the openssl extension',
  quote: singleQuote,
  secret: "getenv('OTESSE_CLIENT_SECRET')",
  codeFlow: String.raw`
<?php
${call('token', 'tokenUrl').trim()}

// When somebody connects: keep both values in $_SESSION, then redirect.
$base64url = fn (string $bytes): string => rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
$verifier = $base64url(random_bytes(32));
$state = $base64url(random_bytes(16));
echo 'Open ' . ‹authorizeUrl› . '?' . http_build_query([
    'client_id' => ‹clientId›,
    'redirect_uri' => ‹redirectUri›,
    'response_type' => 'code',
    'scope' => ‹scope›,
    'state' => $state,
    'code_challenge' => $base64url(hash('sha256', $verifier, true)),
    'code_challenge_method' => 'S256',
]) . "\n";

// At the redirect URI: a web app takes $_GET for $back.
echo 'The address that you came back to: ';
parse_str(parse_url(trim(fgets(STDIN)), PHP_URL_QUERY), $back);
if (!hash_equals($state, $back['state'] ?? '') || ($back['iss'] ?? '') !== ‹issuer›) {
    throw new RuntimeException('The answer is not to our request: start again.');
}
if (isset($back['error'])) {
    throw new RuntimeException($back['error_description'] . ' ' . $back['error_uri']);
}

$tokens = token([
    'grant_type' => 'authorization_code',
    'code' => $back['code'],
    'redirect_uri' => ‹redirectUri›,
    'code_verifier' => $verifier,
]);
// Store both tokens where only the app can read them; never in an address or a log.
echo "Connected: {$tokens['scope']}, for {$tokens['expires_in']} seconds\n";

// When the access token has expired (store the new refresh token as well):
// token(['grant_type' => 'refresh_token', 'refresh_token' => $tokens['refresh_token']]);
`,
  machine: String.raw`
<?php
${call('token', 'tokenUrl').trim()}

$tokens = token([
    'grant_type' => 'client_credentials',
    'scope' => ‹scope›,
    'audience' => ‹audience›,
]);
// Use it as "Authorization: Bearer ..." until it expires, then ask for another one.
echo "Got a token: {$tokens['scope']}, for {$tokens['expires_in']} seconds\n";
`,
  resourceServer: String.raw`
<?php
${call('introspect', 'introspectUrl').trim()}

echo 'Access token: ';
$facts = introspect(['token' => trim(fgets(STDIN))]);
// ['active' => true, 'scope' => ..., 'client_id' => ..., 'sub' => ...] or ['active' => false]
echo $facts['active'] ? "Active: {$facts['scope']}\n" : "Not active: answer 401\n";
`,
}
