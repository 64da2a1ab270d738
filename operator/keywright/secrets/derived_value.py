"""The value of a key that is ours to choose: known before the key is made.

It follows from the operator's own secret, which is stored once and for all, and from the intent,
which stands in the status before anything is created. So the same intent has the same value however
often it is carried on, and nobody without that secret can work it out (docs/decisions/0006).
"""

from __future__ import annotations

import hmac

from keywright.api.sensitive import Sensitive


def derive_value(key: bytes, *, uid: str, intent: str) -> Sensitive:
    """64 hexadecimal digits for the grant of that uid and the intent of that name.

    `key` is the operator's own secret; no other use of it hashes a text of this form.
    """
    text = f"generated\n{uid}\n{intent}"
    return Sensitive(hmac.digest(key, text.encode(), "sha256").hex())
