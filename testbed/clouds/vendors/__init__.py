"""An emulation of vendors that exchange tokens: Anthropic, OpenAI, OpenRouter, and any other.

Each checks the token against the keys of its issuer and against the trust that a test has set, and
refuses as the vendor does. Marks as in the other clouds: [R] from a reference, [U] assumed.
"""

from testbed.clouds.vendors.cloud import TokenVendors

__all__ = ["TokenVendors"]
