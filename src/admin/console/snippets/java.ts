// For Java, with nothing but its standard library, which reads no JSON: the answers are printed
// with what is secret in them left out.
import { jsonQuote, type Language } from './language.ts'

const FORM = String.raw`
    static String form(Map<String, String> values) {
        return values.entrySet().stream()
            .map(entry -> entry.getKey() + "=" + URLEncoder.encode(entry.getValue(), StandardCharsets.UTF_8))
            .collect(Collectors.joining("&"));
    }`

const call = (name: string, url: string): string => String.raw`
    static String ${name}(Map<String, String> parameters) throws Exception {
        var body = new HashMap<>(parameters);
        body.put("client_id", ‹clientId›);
        body.put("client_secret", ‹secret›);
        var request = HttpRequest.newBuilder(URI.create(‹${url}›))
            .timeout(Duration.ofSeconds(10))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(form(body)))
            .build();
        var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) throw new IllegalStateException(answer.body());
        return answer.body(); // JSON: read it with the library of your choice
    }`

const IMPORTS = String.raw`
import java.net.*;
import java.net.http.*;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;`

const HIDE = String.raw`.replaceAll("otesse_\\w+", "...")`

export const java: Language = {
  id: 'java',
  name: 'Java',
  needs: 'Java 17 or newer, in a file that ends in .java',
  quote: jsonQuote,
  secret: 'System.getenv("OTESSE_CLIENT_SECRET")',
  codeFlow: String.raw`
import java.security.*;
${IMPORTS.trim()}

public class Connect {
    static String base64url(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    static String random() {
        var bytes = new byte[32];
        new SecureRandom().nextBytes(bytes);
        return base64url(bytes);
    }

    public static void main(String[] arguments) throws Exception {
        // When somebody connects: keep both values in their session, then redirect.
        String verifier = random(), state = random();
        var hash = MessageDigest.getInstance("SHA-256").digest(verifier.getBytes(StandardCharsets.US_ASCII));
        System.out.println("Open " + ‹authorizeUrl› + "?" + form(Map.of(
            "client_id", ‹clientId›,
            "redirect_uri", ‹redirectUri›,
            "response_type", "code",
            "scope", ‹scope›,
            "state", state,
            "code_challenge", base64url(hash),
            "code_challenge_method", "S256")));

        // At the redirect URI: a web app takes the parameters of the request.
        System.out.print("The address that you came back to: ");
        var back = new HashMap<String, String>();
        for (var pair : URI.create(new Scanner(System.in).nextLine().strip()).getRawQuery().split("&")) {
            var parts = pair.split("=", 2);
            back.put(parts[0], URLDecoder.decode(parts[1], StandardCharsets.UTF_8));
        }
        if (!state.equals(back.get("state")) || !‹issuer›.equals(back.get("iss")))
            throw new IllegalStateException("The answer is not to our request: start again.");
        if (back.containsKey("error"))
            throw new IllegalStateException(back.get("error_description") + " " + back.get("error_uri"));

        var tokens = token(Map.of(
            "grant_type", "authorization_code",
            "code", back.get("code"),
            "redirect_uri", ‹redirectUri›,
            "code_verifier", verifier));
        // Store both tokens where only the app can read them; never in an address or a log.
        System.out.println("Connected: " + tokens${HIDE});

        // When the access token has expired: grant_type refresh_token with the refresh_token, and
        // store the new refresh token as well.
    }
${call('token', 'tokenUrl')}
${FORM}
}
`,
  machine: String.raw`
${IMPORTS.trim()}

public class Connect {
    public static void main(String[] arguments) throws Exception {
        var tokens = token(Map.of(
            "audience", ‹audience›,
            "grant_type", "client_credentials",
            "scope", ‹scope›));
        // Use the access_token as "Authorization: Bearer ..." until it expires.
        System.out.println("Got a token: " + tokens${HIDE});
    }
${call('token', 'tokenUrl')}
${FORM}
}
`,
  resourceServer: String.raw`
${IMPORTS.trim()}

public class Introspect {
    public static void main(String[] arguments) throws Exception {
        System.out.print("Access token: ");
        var token = new Scanner(System.in).nextLine().strip();
        // {"active":true,"scope":"...","client_id":"...","sub":"..."} or {"active":false}
        System.out.println(introspect(Map.of("token", token)));
    }
${call('introspect', 'introspectUrl')}
${FORM}
}
`,
}
