"""Signs a viewer token and prints the address of an iframe. The key says which algorithm it is.

    pip install 'PyJWT[crypto]'
    EMBED_KID=2026-11 EMBED_KEY=2026-11.key python sign.py             # ES256
    EMBED_KID=2026-11 EMBED_SECRET=$(cat secret.txt) python sign.py    # HS256
"""

import os
import time
import uuid
from pathlib import Path

import jwt

KID = os.environ["EMBED_KID"]
if "EMBED_SECRET" in os.environ:
    KEY, ALGORITHM = os.environ["EMBED_SECRET"], "HS256"
else:
    KEY, ALGORITHM = Path(os.environ["EMBED_KEY"]).read_text(), "ES256"


def viewer_token(viewer: str, tenant: str, organization_id: int) -> str:
    now = int(time.time())
    claims = {
        "iss": "https://app.example.com",
        "aud": "embedgate",
        "sub": viewer,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + 120,
        "tenant": tenant,
        "resource": {"report": "q3"},
        "params": {"organization_id": organization_id},
    }
    return jwt.encode(claims, KEY, ALGORITHM, headers={"kid": KID})


if __name__ == "__main__":
    # All three come from your own session, never from the request.
    token = viewer_token("viewer-7", "acme", 99)
    print(f"https://bi.example.com/reports/q3?embed_token={token}")
