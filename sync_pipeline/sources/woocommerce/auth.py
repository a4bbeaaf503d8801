"""How a request shows whose it is.

Belongs here: the three forms of signing in and when each is right. Does not: what the store
answers to them (classification.py).

Recorded on WooCommerce 10.0.2: over https Basic and query-string keys work; over plain http both
are ignored without a word and only OAuth 1.0a works, its nonce once, its timestamp within 15
minutes. So every attempt signs anew. `status[]=a` breaks the signature: lists are joined by commas.
"""

from enum import StrEnum

import requests
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, SIGNATURE_TYPE_QUERY
from requests.auth import AuthBase, HTTPBasicAuth
from requests_oauthlib import OAuth1


class AuthForm(StrEnum):
    """The forms of signing in."""

    BASIC = "basic"  # https
    QUERY = "query"  # https, where the host strips the Authorization header
    OAUTH = "oauth1"  # plain http
    NONE = "none"  # what anybody may read: the index of the API


class _QueryKeys(AuthBase):
    """The keys as two query parameters; only ever over https."""

    def __init__(self, key: str, secret: str) -> None:
        self._keys = {"consumer_key": key, "consumer_secret": secret}

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.prepare_url(request.url, self._keys)
        return request


class _NoKeys(AuthBase):
    """Nothing. Given in place of None, for which requests would look into ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Signer:
    """Signs requests of one store; shared by threads. Its repr shows no key."""

    def __init__(self, base_url: str, key: str, secret: str) -> None:
        self._key = key
        self._secret = secret
        self.form = AuthForm.BASIC if base_url.startswith("https://") else AuthForm.OAUTH
        self._may_fall_back = self.form is AuthForm.BASIC

    def auth(self, form: AuthForm) -> AuthBase:
        """What requests calls to sign one attempt."""
        if form is AuthForm.BASIC:
            return HTTPBasicAuth(self._key.encode(), self._secret.encode())
        if form is AuthForm.QUERY:
            return _QueryKeys(self._key, self._secret)
        if form is AuthForm.NONE:
            return _NoKeys()
        return OAuth1(  # type: ignore[no-any-return]
            self._key,
            client_secret=self._secret,
            signature_method=SIGNATURE_HMAC_SHA256,
            signature_type=SIGNATURE_TYPE_QUERY,
        )

    def fallback(self, form: AuthForm) -> AuthForm | None:
        """The form to try when the store saw no keys in `form`; None when there is none left."""
        return AuthForm.QUERY if self._may_fall_back and form is AuthForm.BASIC else None

    def remember(self, form: AuthForm) -> None:
        """`form` worked: use it from now on."""
        self.form = form

    def forget_fallback(self) -> None:
        """The keys are not known in any form: do not put them into URLs again."""
        self._may_fall_back = False

    def scrub(self, body: bytes) -> bytes:
        """A body without our own keys, should the store echo them."""
        for literal in (self._key, self._secret):
            if literal:
                body = body.replace(literal.encode(), "…".encode())
        return body
