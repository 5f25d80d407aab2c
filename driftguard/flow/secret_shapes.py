"""What a secret looks like in a resource body: by the name of its property, and by the shape of its value.

Rules:
- A name is judged without regard to case, `_`, `-`, `.` and blanks: `admin_password` is `adminPassword`.
- A name that only points to a secret (`secretName`, `keyVaultUri`, `passwordSecretRef`) is none; nor is a public key's.
- Under `credential` and `credentials` anything may be a secret but what points to a thing: resource ids, and what is called
  an id, a name, a type or an address.
- A value of a known credential shape is a secret whatever its property is called.
- When in doubt it is a secret: sealing too much costs readability, sealing too little leaks.

Sources: listKeys, write-only and password properties of Azure's resource models; documented formats of storage account
keys, shared access signatures, Azure's identifiable keys, JSON web tokens, PEM, GitHub and Slack tokens.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

_SECRET_NAMES = frozenset(
    {
        "pwd",
        "pw",
        "pass",
        "passwd",
        "passwordhash",
        "passcode",
        "passkey",
        "psk",
        "pat",
        "snmpcommunity",
        "communitystring",
        "bearerauth",
        "cookie",
        "setcookie",
        "secret",
        "secrettext",
        "securevalue",
        "securestring",
        "secretvalue",
        "key1",
        "key2",
        "sas",
        "sasurl",
        "sasuri",
        "authorization",
        "proxyauthorization",
        "credentialstring",
        "encryptedcredential",
        "kubeconfig",
        "dockerauthconfig",
        "dockerconfigjson",
        "jaasconfig",
        "customdata",
        "userdata",
        "protectedsettings",
        "pfxblob",
        "pfx",
        "commandtoexecute",
        "bloburiandsaskey",
    }
)
_SECRET_ENDINGS = re.compile(
    r"(?:passwords?|passphrase|clientsecret|appsecret|secretkey|secretaccesskey|sharedsecret|serversecret|apisecret"
    r"|connectionstring|token|saskey|sasurl|sasuri|sharedaccesssignature"
    r"|(?:db|database|sql|user|admin|root|login|smtp|mail|redis|api|app|auth|service|pg)(?:pass|pw)"
    r"|(?:access|account|shared|storage|storagecontainer|primary|secondary|master|api|auth|authorization|activation"
    r"|functions?|host|private|symmetric|workspace|admin|query|hmac|subscription|security|decryption|validation"
    r"|registration|license|service|sharedaccess|webhook|instrumentation|signing|session|client)key[12s]?)$"
)
_POINTER_ENDINGS = re.compile(r"(?:id|ids|identifier|name|type|uri|url|reference|ref)$")
_NOISE = re.compile(r"[_\-. ]")


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Whether what stands under a property of this name is a secret."""
    squashed = _NOISE.sub("", name).lower()
    return squashed in _SECRET_NAMES or squashed.endswith("secret") or _SECRET_ENDINGS.search(squashed) is not None


@lru_cache(maxsize=8192)
def is_credential_name(name: str) -> bool:
    """Whether what stands under a property of this name is a credential, or what belongs to one."""
    return _NOISE.sub("", name).lower().endswith(("credential", "credentials"))


@lru_cache(maxsize=8192)
def is_pointer_name(name: str) -> bool:
    """Whether a property of this name inside a credential says which one it is, and is not the credential itself."""
    return _POINTER_ENDINGS.search(_NOISE.sub("", name).lower()) is not None


# Repetitions are bounded or stop at a fixed character: a long hostile text costs linear time.
_WORDS = (
    r"(?:secret|passw(?:or)?d|passphrase|passcode|pwd|token|credentials?"
    r"|(?:account|access|api|shared|private|secret|signing|encryption)[-_]?key)"
)
_ASSIGNMENTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (needle, re.compile(shape, re.IGNORECASE))
    for needle, shape in (
        # AccountKey=…, SharedAccessKey=…, Password=… and Pwd=… in connection strings and command lines
        ("=", r"(?:key|secret|password|passwd|pwd|passphrase|token|signature)[\"']?\s*=\s*[^\s;&]"),
        # shared access signatures, function keys and access tokens in a URL
        ("=", r"(?:^|[?&;])(?:sig|code|access_token|api[-_]?key|subscription-key)=[^&\s]"),
        # in JSON, YAML and PowerShell inside a text, and as an argument
        (":", _WORDS + r"\\{0,3}[\"']?\s*:(?!//)\s*\\{0,3}[\"']?[^\s\"'\\]"),
        ("-", r"(?:^|\s)--?[a-z-]{0,40}" + _WORDS + r"\s+\S"),
        # the clients whose short option for the password is -p or -P
        (" -", r"\b(?:mysql(?:dump|admin|import)?|mariadb|sshpass|sqlcmd|bcp)\s(?:[^\n]{0,200}\s)?-p\s?[^\s-]"),
        (" ", r"bearer\s+[a-z0-9._~+/-]{16}"),
        # user and password, or a token for a user, in a URL; a password may hold a slash, which a port does not start
        ("@", r"://(?:[^/\s:@\"]*:(?!//|[0-9]{1,5}/)[^\s@]{1,256}+|[^/\s:@]{20,100})@"),
    )
)
_SHORTEST_ASSIGNMENT = 6  # characters: `pwd=a;`

# A needle that must be in the text, so that most texts cost a few substring searches only, and the shape itself.
_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (needle, re.compile(shape))
    for needle, shape in (
        ("-----BEGIN", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY"),
        ("eyJ", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5}"),
        # 64 bytes in base64: keys of storage accounts, Cosmos DB, Batch
        ("==", r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?!=)"),
        # Azure's identifiable keys and client secrets
        ("JQQJ99", r"[A-Za-z0-9]{20}JQQJ99[A-Za-z0-9]{10}"),
        ("AzFu", r"[A-Za-z0-9_-]{20}AzFu[A-Za-z0-9_=-]{6}"),
        ("Q~", r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31}"),
        # GitHub, Slack, and web hooks whose address is the secret
        ("gh", r"\bgh[pousr]_[A-Za-z0-9]{20}"),
        ("github_pat_", r"github_pat_[A-Za-z0-9_]{20}"),
        ("xox", r"\bxox[a-z]-[A-Za-z0-9-]{10}"),
        ("hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/\S"),
        ("webhook", r"webhook\.office\.com/\S|discord(?:app)?\.com/api/webhooks/\S"),
    )
)
_SHORTEST_TOKEN = 15  # characters: `xoxb-` and ten more
_BASIC = re.compile(r"\bbasic\s+([a-z0-9+/_-]{4,}={0,2})", re.IGNORECASE)


def is_secret_value(text: str) -> bool:
    """Whether the text holds a credential of a known shape."""
    length = len(text)
    if length < _SHORTEST_ASSIGNMENT:
        return False
    if ("=" in text or ":" in text or " " in text) and (_fits(text, _ASSIGNMENTS) or _has_basic_credential(text)):
        return True
    return length >= _SHORTEST_TOKEN and _fits(text, _TOKENS)


def _fits(text: str, shapes: tuple[tuple[str, re.Pattern[str]], ...]) -> bool:
    for needle, shape in shapes:  # noqa: SIM110  # a generator costs more than the searches
        if needle in text and shape.search(text) is not None:
            return True
    return False


def _has_basic_credential(text: str) -> bool:
    """Whether the text has `Basic` and a user and password in base64, as in a header."""
    return ("asic" in text or "ASIC" in text) and any(
        _is_user_and_password(match[1]) for match in _BASIC.finditer(text)
    )


def _is_user_and_password(encoded: str) -> bool:
    digits = encoded.rstrip("=").replace("-", "+").replace("_", "/")
    if len(digits) % 4 == 1:  # no number of bytes has so many digits
        digits = digits[:-1]
    return b":" in binascii.a2b_base64(digits + "=" * (-len(digits) % 4))
