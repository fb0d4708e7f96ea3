"""Calls another system with a token that Otesse Auth keeps alive.

Python 3.9 or newer and nothing else; copy it. A service registers as a machine app, with the scope
connections:<integration>. It asks for a token of a connection whenever it needs one: the server has
refreshed it if that was necessary. If the other system answers 401 all the same, the service reports
the token and tries once more with the one that it gets for it.

    python3 call_with_connection.py con_... https://slack.com/api/auth.test
"""

import base64
import hashlib
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 30


class ConnectionRefused(Exception):
    """There is no token. `code` says why; its owner can help at `connect_url`, where there is one."""

    def __init__(self, code, description, connect_url=None, retry_after=None):
        super().__init__(description or code)
        self.code = code
        self.connect_url = connect_url
        self.retry_after = retry_after


class Connections:
    """The connections of one service. Threads may share it."""

    def __init__(self, issuer, client_id, client_secret):
        self._issuer = issuer.rstrip("/")
        pair = ":".join(urllib.parse.quote_plus(part) for part in (client_id, client_secret))
        self._basic = "Basic " + base64.b64encode(pair.encode()).decode()
        self._own_token = None

    def get_token(self, connection, min_validity=None):
        """Returns the answer of the server: access_token, header, expires_at, scopes, base_url."""
        return self._ask(connection, {} if min_validity is None else {"min_validity": str(min_validity)})

    def reject(self, connection, access_token):
        """Reports a token that the other system refused. Returns a fresh one, as get_token does."""
        digest = hashlib.sha256(access_token.encode()).digest()
        return self._ask(connection, {"reject": base64.urlsafe_b64encode(digest).decode().rstrip("=")})

    def call(self, connection, url, data=None, headers=None, method=None):
        """Calls the other system. Returns status and body. A 401 is tried once more."""
        token = self.get_token(connection)
        status, body = self._send(token, url, data, headers, method)
        if status != 401:
            return status, body
        fresh = self.reject(connection, token["access_token"])
        if fresh["access_token"] == token["access_token"]:
            return status, body
        return self._send(fresh, url, data, headers, method)

    def _send(self, token, url, data, headers, method):
        name, prefix = token["header"]["name"], token["header"]["prefix"]
        value = (prefix + " " if prefix else "") + token["access_token"]
        request = urllib.request.Request(
            url, data=data, headers={**(headers or {}), name: value}, method=method
        )
        status, body, _ = _open(request)
        return status, body

    def _ask(self, connection, members):
        status, answer, headers = self._post_token(connection, members)
        if status == 401:
            # Our own token has ended.
            self._own_token = None
            status, answer, headers = self._post_token(connection, members)
        if status != 200:
            raise ConnectionRefused(
                answer.get("error", str(status)),
                answer.get("error_description"),
                answer.get("connect_url"),
                headers.get("Retry-After"),
            )
        return answer

    def _post_token(self, connection, members):
        if self._own_token is None:
            self._own_token = self._fetch_own_token()
        path = "/connect/v1/connections/%s/token" % urllib.parse.quote(connection, safe="")
        return self._post(
            path,
            json.dumps(members).encode(),
            {"Authorization": "Bearer " + self._own_token, "Content-Type": "application/json"},
        )

    def _fetch_own_token(self):
        status, answer, _ = self._post(
            "/oauth/token", b"grant_type=client_credentials", {"Authorization": self._basic}
        )
        if status != 200:
            raise ConnectionRefused(
                answer.get("error", str(status)), answer.get("error_description")
            )
        return answer["access_token"]

    def _post(self, path, data, headers):
        request = urllib.request.Request(self._issuer + path, data=data, headers=headers)
        status, body, answer_headers = _open(request)
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        return status, answer, answer_headers


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect must not carry a token to another host."""

    def redirect_request(self, *_):
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def _open(request):
    try:
        with _opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read(), refusal.headers


def main():
    connection, url = sys.argv[1:]
    connections = Connections(
        os.environ["ISSUER"], os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
    )
    try:
        status, body = connections.call(connection, url)
    except ConnectionRefused as refusal:
        print(refusal.code, refusal, refusal.connect_url or "", file=sys.stderr)
        return 1
    print(status, body.decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
