"""Names of secrets, what failures say of them, and guesses at what is masked."""

from __future__ import annotations

KEYS = (
    *("password", "PASSWORD", "Api-Key", "api_key", "apiKey", "x-auth-token", "db password", "passwd", "client_secret"),
    *("clientSecret", "accessToken", "refresh_token", "Authorization", "Set-Cookie", "cookie", "private_key"),
    *("API KEY", "X-Api-Key", "apikey", "userPassword", "password_confirmation", "session_id", "PASSWORD2"),
    "db.password",
)
PROSE = [
    ("GET https://u:hunter2@x.io/a failed", "GET https://[redacted]@x.io/a failed"),
    ("https://x/?token=abc&b=1", "https://x/?token=[redacted]&b=1"),
    ("password=hunter2 and token: invalid", "password=[redacted] and token: invalid"),
    ("{'password': 'my pass word', 'a': 1}", "{'password': '[redacted]', 'a': 1}"),
    ('"api_key": "abc"', '"api_key": "[redacted]"'),
    ("Bearer abcdefghijkl1234 refused", "Bearer [redacted] refused"),
    ("key AKIAABCDEFGHIJKLMNOP", "key [redacted]"),
    ("-----BEGIN RSA PRIVATE KEY-----\nab\n-----END RSA PRIVATE KEY-----, bad", "[redacted], bad"),
    ("card 4111 1111 1111 1111", "card [redacted]"),
    ("order 4111111111111112, mail a@b.c", "order 4111111111111112, mail a@b.c"),
    ("password: x", "password: [redacted]"),
    ("X-Api-Key: x", "X-Api-Key: [redacted]"),
    ("X-Auth-Token:abc, 3 tries", "X-Auth-Token:[redacted], 3 tries"),
    ("api key: abc", "api key: [redacted]"),
    ("password: hunter2 is wrong", "password: [redacted] is wrong"),
    ("password: 'my pass word'", "password: '[redacted]'"),
    ("token = abc", "token = [redacted]"),
    ("Authorization: Basic dTpw", "Authorization: Basic [redacted]"),
    ("sent Basic dXNlcjpodW50ZXIy there", "sent Basic [redacted] there"),
    ("Authorization: Token abc", "Authorization: Token [redacted]"),
    ("Set-Cookie: id=a3f; Path=/", "Set-Cookie: [redacted]"),
    ("DETAIL:  Failing row contains (1, pbkdf2$x, ann).", "DETAIL:  Failing row contains [redacted]"),
    ("Key (password)=(a) already exists.", "Key (password)=([redacted]) already exists."),
    ('COPY auth_user, line 3: "a,b"', "COPY auth_user, line 3: [redacted]"),
    ('COPY t, line 3, column api_token: "abc"', "COPY t, line 3, column api_token: [redacted]"),
    ("LINE 1: INSERT INTO t VALUES ('hunter2', 'x')", "LINE 1: INSERT INTO t VALUES ('[redacted]'"),
]
"""What a failure says, and what is stored of it."""
RIGHT_AND_WRONG = (
    ("password=hunter22", "password=x"),
    ('nested={"api_key":"sesame","list":[{"token":"abcd"}]}', 'nested={"api_key":"x","list":[{"token":"abcd"}]}'),
    ('nested={"list": [{"token": "abcd"}], "api_key": "sesame"}', "nested={}"),
    ('nested.list=[{"token":"abcd"}]', 'nested.list=[{"token":"x"}]'),
    ('nested.list=[{"token": "abcd"}]', 'nested.list=[{"token": "x"}]'),
    ("nested.api_key=sesame", "nested.api_key=x"),
    ("nested.list.0.token=abcd", "nested.list.0.token=x"),
    ("x.password=hunter22", "password.x=hunter22"),
)
"""Conditions on a field that is masked: one that holds and one that does not."""
