"""A throw-away Superset for the embedding tests: offline, SQLite, nothing cached outside its folder. Every secret here is a test's own.

It runs with its state folder as working directory, so that a seeded folder may be copied and started anywhere.
"""

import os

SECRET_KEY = "not-a-secret-only-for-tests-" + "x" * 32
SQLALCHEMY_DATABASE_URI = "sqlite:///" + os.path.abspath("superset.db") + "?check_same_thread=false&timeout=30"
PREVENT_UNSAFE_DB_CONNECTIONS = False

FEATURE_FLAGS = {"EMBEDDED_SUPERSET": True, "ENABLE_TEMPLATE_PROCESSING": True}

# Embedding. The role is a role of its own: `Public` is also what a request without a valid token gets.
GUEST_ROLE_NAME = "EmbedGuest"
GUEST_TOKEN_JWT_SECRET = os.environ.get("EMBEDGATE_TEST_GUEST_SECRET", "guest-secret-of-the-tests-0123456789abcdef")
GUEST_TOKEN_JWT_AUDIENCE = "superset-embed"

# `X-Frame-Options: SAMEORIGIN` and the per-request CSP nonce stay as Superset ships them: the gateway has to cope.
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}
RATELIMIT_ENABLED = False
AUTH_RATE_LIMITED = False
SCARF_ANALYTICS = False
THEME_FONT_URLS = []
LOG_LEVEL = "WARNING"
